"""Stores against a model: whatever is written, dropped, rolled back and opened again, both show the same rows."""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from tests.contracts.store.conftest import OpenStore
from tests.contracts.store.few_rows import PATHS, SMALL, World, changes
from tests.contracts.store.memory import Lost, Memory
from tidemill.adapters.storage.postgres.store import PostgresStore
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.core.ids import Path, RunId
from tidemill.core.rows import Changes, Queued, Rows
from tidemill.core.run import UNFINISHED
from tidemill.ports.store import Beat, ClaimLostError, RunFilter, Store, WaitFilter

T = TypeVar("T")
ALL = 100_000
EVER = 2**62
# What `Rows` calls a table of the model.
TABLES = {name: name for name in Rows.__struct_fields__ if name not in ("told", "held")}
quick = settings(
    max_examples=30,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Looking(RuleBasedStateMachine):
    """A store and its model, side by side."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    epochs: ClassVar["itertools.count[int]"]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(next(self.epochs))
        self.committed = Memory()
        self.store: Store

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def _compare(self, rows: Rows, model: Memory) -> None:
        for name, table in TABLES.items():
            for key, row in getattr(rows, name).items():
                assert row == model.tables[table].get(key), (name, key)

    def _look_at_runs(self, limit: int, which: int) -> None:
        model, world = self.committed, self.world
        filters = [
            RunFilter(workflow=world.workflows[0]),
            RunFilter(workflow=world.workflows[0], statuses=("paused", "succeeded"), before=world.runs[3]),
            RunFilter(workflow=world.workflows[which % 2], tags=(("who", "ann"),)),
            RunFilter(workflow=world.workflows[0], tags=(("who", "bob"),), before=world.runs[2]),
        ]
        wanted = replace(filters[which], limit=limit)
        assert list(self.do(self.store.find(wanted)).runs) == model.found(wanted)[:limit]
        if not wanted.tags:
            assert list(self.do(self.store.runs(wanted))) == model.found(wanted)[:limit]
        unfinished = [run for run in model.runs() if run.status in UNFINISHED]
        assert list(self.do(self.store.unfinished(world.before, limit))) == unfinished[:limit]
        parent = world.runs[0]
        assert self.do(self.store.children(parent)) == sum(run.parent == parent for run in model.runs())

    def _look_at_a_run(self, run: RunId, limit: int, path: Path) -> None:
        model, store = self.committed, self.store
        after = lambda row: not path or row.path > path  # noqa: E731
        assert list(self.do(store.steps(run, path, limit))) == model.of_run("steps", run, after)[:limit]
        assert list(self.do(store.scopes(run, path, limit))) == model.of_run("scopes", run, after)[:limit]
        assert list(self.do(store.attempts(run, None, limit))) == model.of_run("attempts", run)[:limit]
        at = [row for row in model.of_run("attempts", run) if row.path == path]
        assert list(self.do(store.attempts(run, path, limit))) == at[:limit]
        assert self.do(store.values(run, path)) == model.values(run, path)
        assert list(self.do(store.artifacts(run))) == model.of_run("artifacts", run)
        told = sorted((row for row in model.tables["emitted"].values() if row.run == run), key=lambda row: row.number)
        assert list(self.do(store.emitted(run, "", -1, limit))) == told[:limit]
        one = [row for row in told if row.type == "one"]
        assert list(self.do(store.emitted(run, "one", -1, limit))) == one[:limit]
        named = [row for row in model.of_run("attributes", run) if row.path]
        assert list(self.do(store.attributes(run, "", limit))) == named[:limit]
        feed = [(number, row) for number, row in model.feed if row.run == run]
        assert list(self.do(store.feed(0, run, limit))) == feed[:limit]
        rows = [row for row in model.of_run("streams", run) if row.path == path and row.first + 4 > 4]
        rows.sort(key=lambda row: row.first)  # one that is written again keeps its place in a dict
        assert list(self.do(store.stream(run, path, 1, 4, limit))) == rows[:limit]

    def _look_at_the_rest(self, late: int) -> None:
        model, store, world = self.committed, self.store, self.world
        own = [row for row in self.do(store.schedules("", ALL)) if row.name.startswith(f"e{world.epoch}.")]
        assert own == [row for _, row in sorted(model.tables["schedules"].items())]
        due = self.do(store.schedules_due(world.at + late, ALL))
        assert list(due) == model.schedules_due(world.at + late)
        waits = self.do(store.waits(WaitFilter(workflow=world.workflows[0], limit=ALL)))
        assert list(waits) == model.waits(world.workflows[0])
        counts = {each.lane: each.waiting for each in self.do(store.queue_counts()) if each.lane in world.lanes}
        assert {lane: count for lane, count in counts.items() if count} == model.counts()
        if model.tables["timers_put"]:
            assert self.do(store.next_due()) == min(row.due_at for row in model.tables["timers_put"].values())
        if fires := [row.next_at for row in model.tables["schedules"].values() if row.next_at is not None]:
            assert self.do(store.next_fire()) == min(fires)
        for table, rows in (
            ("sessions", self.do(store.sessions(ALL))),
            ("pauses", self.do(store.pauses())),
            ("lanes", self.do(store.lanes())),
            ("tasks", self.do(store.tasks())),
            ("graphs", self.do(store.graphs(ALL))),
            ("registered", self.do(store.registered())),
        ):
            mine = model.tables[table]
            assert all(row in rows for row in mine.values()), table
        self._look_at_data()

    def _look_at_data(self) -> None:
        model, store, world = self.committed, self.store, self.world
        for number in range(4):
            owner = world.key(number)
            kept = sorted((row.key, row) for row in model.tables["kept"].values() if row.owner == owner)
            assert list(self.do(store.kept(owner, "box", "k", "", ALL))) == [row for _, row in kept]
            items = sorted((row.number, row) for row in model.tables["posted"].values() if row.owner == owner)
            assert list(self.do(store.posted(owner, "line", 1, ALL))) == [row for at, row in items if at > 1]


class StoreMachine(Looking):
    """One store, one beat at a time, and a model that is told the same."""

    open_store: ClassVar[OpenStore]

    def __init__(self) -> None:
        super().__init__()
        self.pending = Memory()
        self.beat: Beat | None = None
        self.is_writing = False

    @initialize()
    def first(self) -> None:
        self._open()

    def _open(self) -> None:
        self.store = self.do(type(self).open_store())

    # A beat ----------------------------------------------------------------------------------------

    def _begun(self) -> Beat:
        if self.beat is None:
            self.beat = self.do(self.store.begin(0))
            self.pending = self.committed.copy()
        return self.beat

    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        self._begun()
        written = data.draw(changes(self.world))
        claimable = sorted(self.pending.queue.items())
        if claimable and data.draw(st.booleans()):
            written.queue_drop = [data.draw(st.sampled_from(claimable))[1]]
        self._save(written)

    @rule(data=st.data())
    def claim_what_is_gone(self, data: st.DataObject) -> None:
        beat = self._begun()
        lane = data.draw(st.sampled_from(self.world.lanes))
        written = data.draw(changes(self.world))
        written.queue_drop = [Queued(lane, 77, self.world.runs[0], "a", 0)]
        with pytest.raises(ClaimLostError):
            self.do(beat.save(written))
        with pytest.raises(Lost):
            self.pending.save(written)
        self._leave()

    def _save(self, written: Changes) -> None:
        beat = self._begun()
        last = self.pending.feed[-1][0] if self.pending.feed else 0
        numbers = self.do(beat.save(written))
        assert list(numbers) == sorted(set(numbers))
        assert len(numbers) == len(written.history)
        assert all(number > last for number in numbers)
        self.is_writing = True
        self.pending.save(written)
        self.pending.feed += zip(numbers, written.history, strict=True)

    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        self.save(data)
        self.commit()

    @precondition(lambda self: self.beat is not None)
    @rule()
    def commit(self) -> None:
        assert self.beat is not None
        self.do(self.beat.commit())
        self.beat, self.committed, self.is_writing = None, self.pending, False

    @precondition(lambda self: self.beat is not None)
    @rule()
    def roll_back(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if self.beat is not None:
            self.do(self.beat.rollback())
        self.beat, self.is_writing = None, False

    @rule()
    def close_and_open(self) -> None:
        """What was not committed is gone."""
        self._open()
        self.beat, self.is_writing = None, False

    # What it shows ---------------------------------------------------------------------------------

    @rule(limit=st.sampled_from([1, 2, ALL]), late=SMALL, path=st.sampled_from(["", *PATHS]))
    def look_from_the_beat(self, limit: int, late: int, path: Path) -> None:
        """A beat reads what it has written."""
        beat, model, world = self._begun(), self.pending, self.world
        at = world.at + late - 1
        assert list(self.do(beat.heads(world.lanes, limit))) == model.heads(world.lanes, limit)
        assert list(self.do(beat.due(at, limit))) == model.due(at, limit)
        assert list(self.do(beat.expired(at, limit))) == model.expired(at, limit)
        held = self.do(beat.held_by(world.sessions))
        assert list(held) == model.held_by(world.sessions)
        for run in world.runs:
            assert list(self.do(beat.steps_after(run, path, limit))) == model.steps_after(run, path, limit)
            assert list(self.do(beat.queued_after(run, path, limit))) == model.queued_after(run, path, limit)
        assert list(self.do(beat.children(world.runs[0], limit))) == model.alive_children(world.runs[0], limit)
        assert _sorted(self.do(beat.queued(world.keys().steps))) == _sorted(model.queue.values())
        self._compare(self.do(beat.load(world.keys())), model)

    def _may_ask(self) -> bool:
        """A store with one connection, as simulations have, answers between a save and its commit to nobody."""
        return not self.is_writing or isinstance(self.store, PostgresStore) or _reads_beside(self.store)

    @precondition(_may_ask)
    @rule(limit=st.sampled_from([1, 3, ALL]), path=st.sampled_from(["", *PATHS]), which=SMALL)
    def look(self, limit: int, path: Path, which: int) -> None:
        """Anybody else reads what is committed, whatever the beat has written."""
        self._compare(self.do(self.store.rows(self.world.keys())), self.committed)
        self._look_at_runs(limit, which)
        for run in self.world.runs:
            self._look_at_a_run(run, limit, path)
        self._look_at_the_rest(which)

    def teardown(self) -> None:
        """Leave nothing that is due or waits in the way of the next example."""
        self._leave()
        self.do(self._tidy())

    async def _tidy(self) -> None:
        beat = await self.store.begin(0)
        timers = [(row.run, row.path, row.kind) for row in await beat.due(EVER, ALL)]
        queued = list(await beat.expired(EVER, ALL))
        schedules = list(await self.store.schedules("", ALL))
        await beat.save(Changes(timers_drop=timers, queue_drop=queued, schedules_drop=schedules))
        await beat.commit()


def _reads_beside(store: Store) -> bool:
    return isinstance(store, SqliteStore) and store._reader is not None


def _sorted(rows: Any) -> Sequence[Queued]:
    return sorted(rows, key=lambda row: (row.run, row.path))


async def check(open_store: OpenStore, bounds: settings) -> None:
    """The machine is no coroutine: it runs in a thread, and the store on this loop."""
    found = {"loop": asyncio.get_running_loop(), "open_store": staticmethod(open_store), "epochs": itertools.count(1)}
    machine: Any = type("OneStore", (StoreMachine,), found)
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=bounds)


async def test_a_store_shows_what_its_model_shows(open_store: OpenStore, request: pytest.FixtureRequest) -> None:
    is_slow = request.node.callspec.id not in ("sqlite", "sqlite-one-connection")
    await check(open_store, settings(quick, max_examples=8) if is_slow else quick)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_store_shows_what_its_model_shows_through_long_lives(open_store: OpenStore) -> None:
    await check(open_store, settings(quick, max_examples=200, stateful_step_count=120))
