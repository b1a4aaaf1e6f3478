"""An engine on a real SQLite file, driven beat by beat: what goes into a beat is what the test puts there."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tidemill.adapters.storage.sqlite.store import Measure, SqliteOptions, SqliteStore
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.catalog import Catalog
from tidemill.core.commands import Requeue
from tidemill.core.definitions import Pools, TaskDefinition
from tidemill.core.documents import digest_of_document, document_of
from tidemill.core.events import AttemptSucceeded, Event, RunSubmitted
from tidemill.core.graph import FORMAT, Graph, LoopNode, MapNode, State, TaskNode, Workflow
from tidemill.core.ids import Digest, RunId, SessionId, uuid7
from tidemill.core.match import Offer
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes, GraphRow, Session
from tidemill.core.terms import Compare, Comparison, Constant, Ref
from tidemill.core.values import Inline
from tidemill.engine.graphs import Graphs
from tidemill.engine.inbox import Arrival, Decision, Recording, Requeueing
from tidemill.engine.registry import Registry
from tidemill.engine.seats import Seat
from tidemill.engine.turn import Turn
from tidemill.ports.faults import NO_FAULTS
from tidemill.ports.store import Counts

NUMBER = {"type": "integer"}
LIST = {"type": "array", "items": NUMBER}
SESSION = SessionId(b"s" * 16)
NOOP = TaskDefinition(
    name="t.noop",
    inputs={"type": "object", "properties": {"x": NUMBER}, "required": ["x"]},
    outputs={"value": NUMBER},
    digest="sha256:noop",
)


def noop(source: Ref) -> TaskNode:
    return TaskNode(task="t.noop", inputs={"x": source}, outputs={"value": NUMBER}, schema="sha256:noop")


def workflow_of(body: Graph) -> Workflow:
    return Workflow(format=FORMAT, name="test", start="", states={"": State(body)})


def lone() -> Workflow:
    body = Graph(
        inputs={"x": NUMBER},
        nodes={"noop": noop(Ref(port="x"))},
        outputs={"value": Ref(node="noop")},
        types={"value": NUMBER},
    )
    return workflow_of(body)


def mapped(window: int) -> Workflow:
    inner = Graph(
        inputs={"x": NUMBER},
        nodes={"noop": noop(Ref(port="x"))},
        outputs={"value": Ref(node="noop")},
        types={"value": NUMBER},
    )
    body = Graph(
        inputs={"xs": LIST},
        nodes={"each": MapNode(over={"x": Ref(port="xs")}, body=inner, window=window)},
        outputs={"value": Ref(node="each")},
        types={"value": LIST},
    )
    return workflow_of(body)


def looped(limit: int) -> Workflow:
    """A task on its own result, which is never enough."""
    inner = Graph(
        inputs={"x": NUMBER},
        nodes={"noop": noop(Ref(port="x"))},
        outputs={"value": Ref(node="noop")},
        types={"value": NUMBER},
    )
    never = Compare(Comparison.MORE, Ref(node="noop"), Constant(9))
    body = Graph(
        inputs={"x": NUMBER},
        nodes={"again": LoopNode("x", Ref(port="x"), inner, never, limit)},
        outputs={"value": Ref(node="again")},
        types={"value": NUMBER},
    )
    return workflow_of(body)


class Bench:
    """One store, one seat with endless credit unless a test takes it away."""

    def __init__(self, folder: Path, threads: ThreadPool) -> None:
        self.clock, self.entropy = SystemClock(), OsEntropy()
        options = SqliteOptions(measure=Measure.COUNTS)
        self.store = SqliteStore(folder / "tidemill.db", threads, self.entropy, NO_FAULTS, options)
        self.graphs = Graphs(self.store)
        self.catalog = Catalog()
        self.catalog.add([NOOP])
        session = Session(SESSION, "w", 1 << 60, 0, 0, tasks=((NOOP.name, NOOP.digest),), pools=Pools(total=1))
        self.seat = Seat(session, [NOOP])
        self._made = 0

    async def publish(self, workflow: Workflow) -> Digest:
        document = document_of(workflow)
        digest = digest_of_document(document)
        await self.beat([Recording(Changes(graphs=[GraphRow(digest, document, workflow.name, 0)]))], credit=0)
        return digest

    def submission(self, graph: Digest, **inputs: Any) -> RunSubmitted:
        self._made += 1
        run = RunId(uuid7(self.clock.now(), self.entropy.bytes(16), self._made % 4096))
        values = {name: Inline(msgspec.msgpack.encode(value)) for name, value in inputs.items()}
        return RunSubmitted(run, graph, "test", values, Digest(b"d" * 32))

    async def decide(self, *events: Event, credit: int = 1000) -> Turn:
        return await self.beat([Decision(event) for event in events], credit)

    async def beat(self, arrivals: list[Arrival], credit: int = 1000) -> Turn:
        overlay = Overlay(self.clock.now(), self.entropy.bytes(16), self.catalog, self.graphs.layouts)
        turn = Turn(await self.store.begin(0), overlay, self.graphs, Registry(self.store))
        await turn.take(arrivals)
        offers = [Offer(SESSION, "w", self.seat.served.pools, {"": credit}, 0)] if credit else []
        await turn.match(offers, self.seat.served.lone, set())
        await turn.write()
        return turn

    async def due(self) -> Turn:
        """A beat of what time has brought."""
        overlay = Overlay(self.clock.now(), self.entropy.bytes(16), self.catalog, self.graphs.layouts)
        turn = Turn(await self.store.begin(0), overlay, self.graphs, Registry(self.store))
        await turn.take_due(500)
        await turn.write()
        return turn

    async def bites(self, run: RunId) -> AsyncIterator[int]:
        """Do the bites of a pause, to their end; gives how many queue rows each moved."""
        while True:
            asked = [each for _, commands in (await self.due()).orders for each in commands]
            orders = [each for each in asked if isinstance(each, Requeue) and each.run == run]
            if not orders:
                return
            turn = await self.beat([Requeueing(run, orders[0].number, orders[0].after)], credit=0)
            yield len(turn.changes.queue_put)

    async def measured(self, *events: Event, credit: int = 1000) -> tuple[Counts, Turn]:
        """What a beat of these events cost."""
        before = self.store.counts()
        turn = await self.decide(*events, credit=credit)
        after = self.store.counts()
        cost = Counts(
            statements=after.statements - before.statements,
            rows_written=after.rows_written - before.rows_written,
            vm_steps=after.vm_steps - before.vm_steps,
        )
        return cost, turn


def successes(turn: Turn) -> Iterator[AttemptSucceeded]:
    """A good report for each lease of a beat."""
    for _, leasing in turn.leases:
        attempt = leasing.attempt
        assert attempt is not None
        value = Inline(msgspec.msgpack.encode(1))
        yield AttemptSucceeded(attempt.run, attempt.path, attempt.number, {"value": value})
