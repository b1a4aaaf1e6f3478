"""What may go: runs that ended, rows of those that are being removed, blobs that nobody names; and a run as a whole."""

import itertools

import pytest
from msgspec.structs import fields, replace

from tests.contracts.store.conftest import OpenStore
from tests.contracts.store.sample import ADDRESS, AT, R1, R2, a_run, a_step, a_timer, everything, run_id, write
from tidemill.core.ids import Digest, RunId
from tidemill.core.rows import Changes, Keys
from tidemill.core.run import Cancelled, Ended, Fork, Halted, Hidden, Run, Succeeded
from tidemill.core.shared_rows import STORE, Attributes, Kept, Posted, Shelf
from tidemill.core.values import Inline
from tidemill.core.wait_rows import SignalRow
from tidemill.ports.keeping import EndedFilter, Part
from tidemill.ports.store import BlobGoneError, RunFilter, Store

D1, D2 = (Digest(bytes([number]) * 32) for number in (1, 2))
LATER = AT + 1_000_000


def ended(number: int, at: int = 0, workflow: str = "shelf", **more: object) -> Run:
    return replace(a_run(run_id(number), Ended(Succeeded()), workflow), ended_at=AT + at, **more)


def whole() -> Changes:
    """A finished run with one row of each kind that a run has."""
    rows = everything()
    found = Changes(
        **{
            name: getattr(rows, name)
            for name in (
                *("scopes", "steps", "attempts", "values", "chunks", "streams", "artifacts", "emitted", "blobs"),
                *("blob_refs", "history", "waits", "mailboxes", "signals", "timers_put"),
            )
        }
    )
    found.runs = [ended(1)]
    found.tagged = {R1: found.runs[0].tags}
    found.attributes = [Attributes(R1, "", {}), Attributes(R1, "ocr", {})]
    found.shelves = [Shelf(b"r" + R1, STORE, "notes", 1, 1, 1)]
    found.kept = [Kept(b"r" + R1, "notes", "", Inline(b"\x01"), 1, AT)]
    found.posted = [Posted(b"r" + R1, "news", 1, Inline(b"\x01"), AT)]
    return found


async def all_parts(store: Store, run: RunId, limit: int) -> list[Part]:
    parts = [await store.part(run, b"", limit)]
    while (after := parts[-1].rest_after) is not None:
        parts.append(await store.part(run, after, limit))
    return parts


def joined(parts: list[Part]) -> Changes:
    found = Changes()
    for part in parts:
        for name in Changes.__struct_fields__:
            many = getattr(part.changes, name)
            getattr(found, name).update(many) if isinstance(many, dict) else getattr(found, name).extend(many)
    return found


# Runs ----------------------------------------------------------------------------------------------


async def test_ended_runs_are_found_by_workflow_and_status_the_earliest_end_first(store: Store) -> None:
    runs = [ended(1, 30), ended(2, 10), ended(3, 20), ended(4, 5, "other"), a_run(run_id(5))]
    failed = replace(ended(6, 1), state=Ended(Cancelled()))
    await write(store, Changes(runs=[*runs, failed]))
    every = EndedFilter("shelf", "succeeded", (LATER, RunId(b"")))
    assert [run.id for run in await store.ended(every)] == [run_id(2), run_id(3), run_id(1)]
    first = await store.ended(replace(every, limit=1))
    following = await store.ended(replace(every, after=(AT + 10, first[0].id)))
    assert [run.id for run in following] == [run_id(3), run_id(1)]
    upto = replace(every, upto=(AT + 20, run_id(3)))
    assert [run.id for run in await store.ended(upto)] == [run_id(2), run_id(3)]
    assert [run.id for run in await store.ended(replace(every, status="cancelled"))] == [run_id(6)]
    assert list(await store.workflows("", 10)) == ["other", "shelf"]
    assert list(await store.workflows("other", 10)) == ["shelf"]
    assert list(await store.workflows("", 1)) == ["other"]


async def test_the_run_behind_so_many_later_ones_is_found(store: Store) -> None:
    await write(store, Changes(runs=[ended(number, number % 3) for number in range(1, 8)]))
    assert await store.nth_ended("shelf", "succeeded", 0) == (AT + 2, run_id(5))
    assert await store.nth_ended("shelf", "succeeded", 2) == (AT + 1, run_id(7))
    assert await store.nth_ended("shelf", "succeeded", 7) is None


async def test_a_hidden_run_is_in_no_list_but_that_of_hidden_ones(store: Store) -> None:
    hidden = replace(ended(1), hidden=Hidden.REMOVING, hidden_at=LATER, parent=R2)
    await write(store, Changes(runs=[ended(1, parent=R2), ended(2)]))
    await write(store, Changes(runs=[hidden], tagged={R1: {}}))
    assert [run.id for run in await store.runs(RunFilter())] == [R2]
    assert [run.id for run in await store.runs(RunFilter(workflow="shelf"))] == [R2]
    assert not await store.runs(RunFilter(parent=R2))
    assert await store.children(R2) == 0
    assert [run.id for run in await store.ended(EndedFilter("shelf", "succeeded", (LATER, R1)))] == [R2]
    assert await store.nth_ended("shelf", "succeeded", 1) is None
    assert list(await store.hidden(10)) == [hidden]


async def test_a_run_from_which_an_unfinished_fork_takes_results_is_known(store: Store) -> None:
    forks = [Fork(R1, D1), Fork(R2, D1), Fork(run_id(3), D1)]
    await write(
        store,
        Changes(
            runs=[
                *(ended(number) for number in (1, 2, 3)),
                replace(a_run(run_id(4)), fork=forks[0]),
                ended(5, fork=forks[1]),
                replace(a_run(run_id(6), Halted("fault")), fork=forks[2]),
                replace(a_run(run_id(7)), fork=forks[2]),
            ]
        ),
    )
    beat = await store.begin(AT)
    assert sorted(await beat.forked([R1, R2, run_id(3)])) == [R1, run_id(3)]
    await write_on(store, beat, Changes(runs=[ended(4, fork=forks[0])]))
    beat = await store.begin(AT)
    assert list(await beat.forked([R1])) == []
    await beat.rollback()


async def write_on(store: Store, beat: object, changes: Changes) -> None:
    await beat.save(changes)  # type: ignore[attr-defined]
    await beat.commit()  # type: ignore[attr-defined]


async def test_a_run_goes_in_bites_and_its_own_row_last(open_store: OpenStore) -> None:
    store = await open_store()
    gone = replace(ended(1), hidden=Hidden.REMOVING, hidden_at=AT)
    other = replace(a_step(R2), run=R2)
    signal = SignalRow(replace(ADDRESS, run=R2), "s1", D1, AT, Inline(b"\x01"))
    await write(store, whole())
    await write(store, Changes(runs=[ended(2)], steps=[other], signals=[signal]))
    await write(store, Changes(runs=[gone], tagged={R1: {}}))
    rounds = 0
    while await store.hidden(1):
        before = len(joined(await all_parts(store, R1, 100)).steps)
        await write(store, Changes(sweep={R1: 3}))
        rounds += 1
        assert before or not joined(await all_parts(store, R1, 100)).steps
        if rounds == 4:
            store = await open_store()
    assert 6 <= rounds <= 10
    assert not joined(await all_parts(store, R1, 100))
    assert await store.next_due() is None
    rows = await store.rows(Keys(runs=[R1, R2], steps=[(R2, "ocr")], signals=[(signal.address, "s1")]))
    assert (rows.runs[R1], rows.runs[R2], rows.steps[R2, "ocr"]) == (None, ended(2), other)
    assert rows.signals[signal.address, "s1"] == signal
    assert [row.is_named for row in await store.blobs(b"", 10)] == [False]


async def test_a_run_that_is_not_being_removed_loses_nothing(store: Store) -> None:
    await write(store, whole())
    before = joined(await all_parts(store, R1, 100))
    await write(store, Changes(sweep={R1: 100}))
    await write(store, Changes(runs=[replace(ended(1), hidden=Hidden.IMPORTING)]))
    await write(store, Changes(sweep={R1: 100}))
    await write(store, Changes(runs=[ended(1)]))
    assert joined(await all_parts(store, R1, 100)) == before


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_a_run_is_read_in_parts_that_make_the_same_run_elsewhere(store: Store, limit: int) -> None:
    kept = whole()
    await write(store, kept)
    await write(store, Changes(runs=[ended(2)], steps=[replace(a_step(R2), run=R2)], attributes=[]))
    found = joined(await all_parts(store, R1, limit))
    kept.timers_put = []
    assert found == kept
    assert {field.name for field in fields(Changes) if getattr(found, field.name)} >= {"runs", "history", "posted"}


# Blobs ---------------------------------------------------------------------------------------------


async def test_a_blob_tells_when_it_came_and_whether_it_is_named(store: Store) -> None:
    await write(store, Changes(blobs={D1: 3, D2: 4}, blobs_at={D1: AT, D2: AT}, blob_refs=[(R1, D1)]))
    await write(store, Changes(blobs={D2: 4}, blobs_at={D2: LATER}))
    await write(store, Changes(blobs={D2: 4}, blobs_at={D2: AT}))
    rows = await store.blobs(b"", 10)
    assert [(row.digest, row.size, row.touched_at, row.is_named) for row in rows] == [
        (D1, 3, AT, True),
        (D2, 4, LATER, False),
    ]
    assert [row.digest for row in await store.blobs(D1, 10)] == [D2]


async def test_only_a_blob_that_is_unnamed_and_untouched_is_marked(store: Store) -> None:
    named, fresh, old = (Digest(bytes([number]) * 32) for number in range(3))
    at = {named: AT, fresh: LATER, old: AT}
    await write(store, Changes(blobs=dict.fromkeys(at, 1), blobs_at=at, blob_refs=[(R1, named)]))
    await write(store, Changes(blobs_leave=dict.fromkeys(at, AT)))
    assert list(await store.leaving(10)) == [old]
    assert (await store.rows(Keys(blobs=list(at)))).blobs == {named: 1, fresh: 1, old: None}


async def test_a_marked_blob_can_neither_be_named_nor_stored_until_its_row_is_gone(store: Store) -> None:
    await write(store, Changes(blobs={D1: 3}, blobs_at={D1: AT}))
    await write(store, Changes(blobs_leave={D1: AT}))
    for refused in (Changes(blob_refs=[(R1, D1)]), Changes(blobs={D1: 3}), Changes(blobs={D2: 1, D1: 3})):
        with pytest.raises(BlobGoneError, match="again"):
            await write(store, refused)
    await write(store, Changes(blobs_drop=[D1]))
    assert not await store.blobs(b"", 10)
    with pytest.raises(BlobGoneError, match="again"):
        await write(store, Changes(runs=[a_run()], blob_refs=[(R1, D1)]))
    assert (await store.rows(Keys(runs=[R1]))).runs[R1] is None
    await write(store, Changes(blobs={D1: 3}, blob_refs=[(R1, D1), (R2, D1)]))
    await write(store, Changes(blob_refs=[(R1, D1)]))
    assert [row.is_named for row in await store.blobs(b"", 10)] == [True]


async def test_bytes_without_a_row_are_claimed_and_a_row_that_is_there_is_not(store: Store) -> None:
    await write(store, Changes(blobs={D1: 3}))
    await write(store, Changes(blobs_claim={D1: 3, D2: 4}))
    assert list(await store.leaving(10)) == [D2]
    await write(store, Changes(blobs_drop=[D1, D2]))
    assert [row.digest for row in await store.blobs(b"", 10)] == [D1]


async def test_a_page_of_what_goes_has_its_limit(store: Store) -> None:
    digests = [Digest(bytes([number]) * 32) for number in range(5)]
    await write(store, Changes(blobs=dict.fromkeys(digests, 1), timers_put=[a_timer()]))
    await write(store, Changes(blobs_leave=dict.fromkeys(digests, AT)))
    assert list(await store.leaving(2)) == digests[:2]
    pages = [await store.blobs(after, 2) for after in (b"", digests[1], digests[3])]
    assert [row.digest for row in itertools.chain(*pages)] == digests
