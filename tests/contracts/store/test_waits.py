"""Waits are listed while they are open, by kind and workflow; mailboxes and signals are found by their address."""

from msgspec import structs

from tests.contracts.store.sample import ADDRESS, AT, GRAPH, R1, R2, a_wait, run_id, write
from tidemill.core.rows import Changes, Emitted, Keys
from tidemill.core.wait_rows import KEPT_US, Closed, Mailbox, Outcome, SignalRow, WaitKind
from tidemill.ports.store import Store, WaitFilter

CLOSED = Closed(Outcome.ANSWERED, AT, "ann", "yes")


async def test_open_waits_are_listed_by_kind_and_workflow_page_by_page(store: Store) -> None:
    waits = [
        a_wait(R1, "a"),
        a_wait(R1, "b", WaitKind.APPROVAL),
        a_wait(R2, "a", WaitKind.APPROVAL, "other"),
        a_wait(R2, "c", WaitKind.TIME),
    ]
    closed = structs.replace(a_wait(R2, "b"), closed=CLOSED)
    await write(store, Changes(waits=[*waits, closed]))
    assert await store.waits(WaitFilter()) == waits
    assert await store.waits(WaitFilter(kinds=(WaitKind.APPROVAL,))) == [waits[1], waits[2]]
    assert await store.waits(WaitFilter(kinds=(WaitKind.TIME, WaitKind.SIGNAL))) == [waits[0], waits[3]]
    assert await store.waits(WaitFilter(workflow="other")) == [waits[2]]
    assert await store.waits(WaitFilter(limit=2)) == waits[:2]
    assert await store.waits(WaitFilter(after=(R1, "b"))) == waits[2:]
    assert await store.waits(WaitFilter(run=R2)) == waits[2:]
    assert await store.waits(WaitFilter(run=R2, open_only=False)) == [waits[2], closed, waits[3]]


async def test_a_wait_that_is_closed_leaves_the_lists_and_stays_by_its_key(store: Store) -> None:
    await write(store, Changes(waits=[a_wait()]))
    closed = structs.replace(a_wait(), closed=CLOSED)
    await write(store, Changes(waits=[closed]))
    assert await store.waits(WaitFilter()) == []
    assert (await store.rows(Keys(waits=[(R1, "hold"), (R2, "hold")]))).waits == {
        (R1, "hold"): closed,
        (R2, "hold"): None,
    }


async def test_an_empty_mailbox_leaves_nothing(store: Store) -> None:
    await write(store, Changes(mailboxes=[Mailbox(ADDRESS, ((R1, "hold"),))]))
    await write(store, Changes(mailboxes_drop=[ADDRESS]))
    assert (await store.rows(Keys(mailboxes=[ADDRESS]))).mailboxes == {ADDRESS: None}


async def test_signals_are_forgotten_after_a_week(store: Store) -> None:
    old, new = SignalRow(ADDRESS, "old", GRAPH, AT), SignalRow(ADDRESS, "new", GRAPH, AT + KEPT_US)
    await write(store, Changes(signals=[old]))
    await write(store, Changes(signals=[new]))
    keys = [(ADDRESS, "old"), (ADDRESS, "new")]
    assert (await store.rows(Keys(signals=keys))).signals == {keys[0]: None, keys[1]: new}


async def test_the_latest_event_of_a_type_is_found(store: Store) -> None:
    told = [Emitted(R1, number, AT, "work", 1, kind) for number, kind in enumerate(["a", "b", "a"], 1)]
    await write(store, Changes(emitted=told))
    keys = [(R1, "a"), (R1, "c"), (run_id(9), "a")]
    assert (await store.rows(Keys(told=keys))).told == {keys[0]: told[2], keys[1]: None, keys[2]: None}
