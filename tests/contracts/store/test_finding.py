"""Runs by tag and age, in pages of bounded cost; pauses."""

from msgspec.structs import replace

from tests.contracts.store.conftest import OpenStore
from tests.contracts.store.sample import AT, a_run, run_id, write
from tidemill.core.ids import RunId
from tidemill.core.rows import Changes, Pause, PauseKind
from tidemill.core.run import Cancelled, Ended
from tidemill.ports.store import RunFilter, Store

RED = (("team", "red"),)
LOOKED_AT = 1000


async def keep(store: Store, count: int, **tags: str) -> list[RunId]:
    runs = [replace(a_run(run_id(each)), created_at=AT + each, tags=tags) for each in range(count)]
    await write(store, Changes(runs=runs, tagged={run.id: run.tags for run in runs}))
    return [run.id for run in runs]


async def test_runs_are_found_by_all_their_tags_newest_first(store: Store) -> None:
    one, two, three = await keep(store, 3, team="red", size="big")
    await write(store, Changes(tagged={one: {"team": "blue"}}, runs=[replace(a_run(one), tags={"team": "blue"})]))
    found = await store.find(RunFilter(tags=RED))
    assert [run.id for run in found.runs] == [three, two]
    assert found.rest_before is None
    assert not (await store.find(RunFilter(tags=(*RED, ("size", "small"))))).runs
    page = await store.find(RunFilter(tags=RED, limit=1))
    assert ([run.id for run in page.runs], page.rest_before) == ([three], three)
    assert [run.id for run in (await store.find(RunFilter(tags=RED, before=page.rest_before))).runs] == [two]


async def test_the_other_filters_hold_beside_tags_and_age(store: Store) -> None:
    one, two, three = await keep(store, 3, team="red")
    await write(store, Changes(runs=[replace(a_run(two, Ended(Cancelled())), created_at=AT, tags=dict(RED))]))
    assert [run.id for run in (await store.find(RunFilter(("running",), tags=RED))).runs] == [three, one]
    assert not (await store.find(RunFilter(workflow="other", tags=RED))).runs
    assert [run.id for run in (await store.find(RunFilter(created_before_at=AT + 2))).runs] == [two, one]
    assert [run.id for run in (await store.find(RunFilter(tags=RED, created_before_at=AT + 1))).runs] == [two, one]


async def test_a_page_looks_at_a_bounded_number_of_runs_and_says_where_to_go_on(store: Store) -> None:
    ids = await keep(store, LOOKED_AT + 5, team="red")
    first = await store.find(RunFilter(("paused",), tags=RED))
    assert (list(first.runs), first.rest_before) == ([], ids[5])
    second = await store.find(RunFilter(("paused",), tags=RED, before=first.rest_before))
    assert (list(second.runs), second.rest_before) == ([], None)


async def test_a_plain_page_says_where_to_go_on(store: Store) -> None:
    ids = await keep(store, 3)
    found = await store.find(RunFilter(limit=2))
    assert ([run.id for run in found.runs], found.rest_before) == ([ids[2], ids[1]], ids[1])


async def test_pauses_are_kept_until_they_are_dropped(open_store: OpenStore) -> None:
    task, queue = (Pause(kind, "x", AT, "ann", "deploy") for kind in (PauseKind.TASK, PauseKind.QUEUE))
    store = await open_store()
    await write(store, Changes(pauses=[task, queue]))
    await write(store, Changes(pauses=[replace(task, by="bob")]))
    store = await open_store()
    assert await store.pauses() == [queue, replace(task, by="bob")]
    await write(store, Changes(pauses_drop=[task]))
    assert await store.pauses() == [queue]
