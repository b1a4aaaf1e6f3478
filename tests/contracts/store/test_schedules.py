"""Schedules: found by time at a cost that those which are not due do not raise; their history is bounded."""

from typing import Protocol

from msgspec.structs import replace

from tests.contracts.store.conftest import OpenStore, measured
from tests.contracts.store.sample import AT, a_fire, a_schedule, write
from tidemill.core.rows import FIRES_KEPT, Backfill, Changes, Keys
from tidemill.ports.store import Counts, Store


class Counted(Store, Protocol):
    def counts(self) -> Counts: ...


async def test_those_that_are_due_come_earliest_first(store: Store) -> None:
    late, early = a_schedule("late", AT + 2), a_schedule("early", AT + 1)
    others = [a_schedule("never", None), a_schedule("later", AT + 3)]
    await write(store, Changes(schedules=[late, early, *others]))
    assert await store.schedules_due(AT + 2, 10) == [early, late]
    assert await store.schedules_due(AT + 2, 1) == [early]
    assert await store.next_fire() == AT + 1
    assert [row.name for row in await store.schedules("early", 2)] == ["late", "later"]


async def test_a_change_moves_it_and_a_drop_takes_its_history_along(store: Store) -> None:
    await write(store, Changes(schedules=[a_schedule()], fires=[a_fire(1), a_fire(2)]))
    moved = replace(a_schedule(), next_at=None, lines=2)
    await write(store, Changes(schedules=[moved]))
    assert await store.next_fire() is None
    assert (await store.rows(Keys(schedules=["nightly", "no"]))).schedules == {"nightly": moved, "no": None}
    assert await store.fires(b"nightly", 10, 10) == [a_fire(2), a_fire(1)]
    assert await store.fires(b"nightly", 2, 10) == [a_fire(1)]
    await write(store, Changes(schedules_drop=[moved]))
    assert (await store.rows(Keys(schedules=["nightly"]))).schedules == {"nightly": None}
    assert await store.fires(b"nightly", 10, 10) == []


async def test_one_may_be_dropped_and_made_anew_in_one_commit(store: Store) -> None:
    await write(store, Changes(schedules=[a_schedule()]))
    anew = replace(a_schedule(), id=b"anew")
    await write(store, Changes(schedules_drop=[a_schedule()], schedules=[anew], fires=[a_fire(1, b"anew")]))
    assert await store.schedules("", 10) == [anew]
    assert await store.fires(b"anew", 10, 10) == [a_fire(1, b"anew")]


async def test_those_that_wait_for_a_run_are_found(store: Store) -> None:
    waits, backfills = a_schedule("a", waiting=(AT,)), replace(a_schedule("b"), backfill=Backfill(AT, AT, AT))
    await write(store, Changes(schedules=[waits, backfills, a_schedule("c")]))
    assert await store.schedules_busy("", 10) == [waits, backfills]
    assert await store.schedules_busy("a", 10) == [backfills]
    await write(store, Changes(schedules=[replace(waits, waiting=())]))
    assert await store.schedules_busy("", 10) == [backfills]


async def test_the_last_lines_of_a_history_are_kept(store: Store) -> None:
    first = [a_fire(number) for number in range(1, FIRES_KEPT + 1)]
    await write(store, Changes(fires=[*first, a_fire(1, b"other")]))
    await write(store, Changes(fires=[a_fire(FIRES_KEPT + number) for number in (1, 2)]))
    kept = await store.fires(b"nightly", 10_000, 10_000)
    assert [row.number for row in kept] == list(range(FIRES_KEPT + 2, 2, -1))
    assert len(await store.fires(b"other", 10, 10)) == 1


@measured
async def test_a_look_costs_the_same_whatever_is_not_due(open_store: OpenStore) -> None:
    store: Counted = await open_store()  # type: ignore[assignment]

    async def look() -> int:
        before = store.counts().vm_steps
        assert len(await store.schedules_due(AT, 10)) == 1
        assert await store.schedules_busy("", 10) == []
        assert await store.next_fire() == AT
        return store.counts().vm_steps - before

    await write(store, Changes(schedules=[a_schedule("now", AT)]))
    few = await look()
    many = [a_schedule(f"s{number}", AT + 1 + number if number % 2 else None) for number in range(10_000)]
    await write(store, Changes(schedules=many))
    assert await look() <= few + 10
