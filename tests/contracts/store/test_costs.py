"""Cost laws, on counted statements, rows and steps of SQLite: never on time."""

from typing import Protocol

import pytest
from msgspec.structs import replace

from tests.contracts.store.conftest import OpenStore, on_sqlite
from tests.contracts.store.sample import (
    AT,
    LANE,
    OTHER_LANE,
    SESSION,
    a_queued,
    a_run,
    a_step,
    a_timer,
    a_wait,
    an_attempt,
    run_id,
    write,
)
from tidemill.core.rows import Changes, Entry, History, Keys, TimerKind
from tidemill.core.wait_rows import Address, Closed, Mailbox, Outcome, WaitKind
from tidemill.ports.store import Counts, Store, WaitFilter

CLAIMED = 50

pytestmark = on_sqlite


class Counted(Store, Protocol):
    def counts(self) -> Counts: ...


def difference(after: Counts, before: Counts) -> Counts:
    return Counts(*(getattr(after, name) - getattr(before, name) for name in after.__struct_fields__))


async def fill(store: Store, first: int, count: int) -> None:
    for start in range(first, first + count, 10_000):
        rows = [a_queued(run_id(n), order=n) for n in range(start, min(start + 10_000, first + count))]
        await write(store, Changes(queue_put=rows))


async def claim(store: Counted) -> Counts:
    """What 50 claims cost: the heads, their attempts, the rows dropped, the commit."""
    before = store.counts()
    beat = await store.begin(0)
    heads = await beat.heads([LANE, OTHER_LANE], CLAIMED)
    assert len(heads) == CLAIMED
    await beat.load(Keys(steps=[(row.run, row.path) for row in heads]))
    attempts = [an_attempt(row.run) for row in heads]
    history = [History(row.run, AT, (Entry("attempt_leased", row.path, 1),)) for row in heads]
    await beat.save(Changes(queue_drop=list(heads), attempts=attempts, history=history))
    await beat.commit()
    return difference(store.counts(), before)


async def test_a_claim_costs_the_same_with_100_and_100_000_queued(open_store: OpenStore) -> None:
    store: Counted = await open_store()  # type: ignore[assignment]
    await fill(store, 0, 100 + CLAIMED)
    await claim(store)
    few = await claim(store)
    await fill(store, 1000, 100_000)
    many = await claim(store)
    assert many.statements == few.statements <= 4 * CLAIMED + 5
    assert many.rows_written == few.rows_written == 3 * CLAIMED
    assert many.vm_steps == pytest.approx(few.vm_steps, rel=0.01)


async def test_looking_at_empty_lanes_costs_nothing(open_store: OpenStore) -> None:
    store: Counted = await open_store()  # type: ignore[assignment]
    await fill(store, 0, 1000)
    before = store.counts()
    beat = await store.begin(0)
    assert await beat.heads([bytes([n]) * 32 for n in range(60)], 100) == []
    await beat.rollback()
    assert store.counts() == before


async def cost_of_a_look(store: Counted) -> Counts:
    before = store.counts()
    beat = await store.begin(0)
    await beat.due(AT - 1, 100)
    await beat.expired(AT - 1, 100)
    await beat.held_by([SESSION])
    await beat.rollback()
    await store.next_due()
    await store.queue_counts()
    await store.unfinished(None, 10)
    await store.feed(0, None, 10)
    return difference(store.counts(), before)


async def test_looking_for_what_is_due_costs_the_same_beside_much_that_is_not(open_store: OpenStore) -> None:
    store: Counted = await open_store()  # type: ignore[assignment]

    async def add(first: int, count: int) -> None:
        runs = [run_id(n) for n in range(first, first + count)]
        await write(
            store,
            Changes(
                runs=[a_run(run) for run in runs],
                steps=[a_step(run) for run in runs],
                attempts=[an_attempt(run, session=run) for run in runs],  # type: ignore[arg-type]
                timers_put=[a_timer(run) for run in runs],
                queue_put=[a_queued(run, order=n) for n, run in enumerate(runs)],
                history=[History(run, AT, ()) for run in runs],
            ),
        )

    await add(0, 100)
    few = await cost_of_a_look(store)
    await add(100, 20_000)
    many = await cost_of_a_look(store)
    assert many.statements == few.statements
    assert many.vm_steps == pytest.approx(few.vm_steps, rel=0.01)


async def cost_of_a_signal(store: Counted, number: int) -> Counts:
    """Find who waits at one address, end that wait, list the next ones."""
    address = Address(run_id(number), WaitKind.SIGNAL, "paid")
    before = store.counts()
    beat = await store.begin(0)
    rows = await beat.load(Keys(mailboxes=[address], signals=[(address, "s")], waits=[(run_id(number), "hold")]))
    wait = rows.waits[run_id(number), "hold"]
    assert wait is not None
    closed = replace(wait, closed=Closed(Outcome.ANSWERED, AT))
    await beat.save(Changes(waits=[closed], mailboxes_drop=[address]))
    await beat.commit()
    assert len(await store.waits(WaitFilter(kinds=(WaitKind.SIGNAL,), limit=50))) == 50
    return difference(store.counts(), before)


async def test_a_signal_costs_the_same_with_100_and_10_000_that_wait(open_store: OpenStore) -> None:
    store: Counted = await open_store()  # type: ignore[assignment]

    async def add(first: int, count: int) -> None:
        runs = [run_id(n) for n in range(first, first + count)]
        boxes = [Mailbox(Address(run, WaitKind.SIGNAL, "paid"), ((run, "hold"),)) for run in runs]
        timers = [a_timer(run, "hold", AT * 2, TimerKind.WAIT) for run in runs]
        await write(store, Changes(waits=[a_wait(run) for run in runs], mailboxes=boxes, timers_put=timers))

    await add(0, 100)
    few, look = await cost_of_a_signal(store, 20), await cost_of_a_look(store)
    await add(100, 10_000)
    many, look_again = await cost_of_a_signal(store, 21), await cost_of_a_look(store)
    assert (many.statements, many.rows_written) == (few.statements, few.rows_written)
    assert many.vm_steps == pytest.approx(few.vm_steps, rel=0.02)
    assert look_again == look
