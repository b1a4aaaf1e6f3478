"""The queue: order, claims, and counts that stay exact."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.store.conftest import OpenStore
from tests.contracts.store.sample import AT, LANE, OTHER_LANE, R1, R2, a_queued, a_run, a_timer, run_id, write
from tidemill.core.rows import Changes, Queued, TimerKind
from tidemill.ports.store import ClaimLostError, QueueCount, Store


async def heads(store: Store, lanes: list[bytes], limit: int = 10) -> list[Queued]:
    beat = await store.begin(0)
    found = await beat.heads(lanes, limit)
    await beat.rollback()
    return list(found)


async def test_heads_come_lowest_order_first_up_to_the_limit_of_each_lane(store: Store) -> None:
    rows = [a_queued(run_id(n), order=order) for n, order in enumerate([5, -3, 9, 0])]
    other = a_queued(R2, "embed", 1, OTHER_LANE)
    await write(store, Changes(queue_put=[*rows, other]))
    assert await heads(store, [LANE], 3) == [rows[1], rows[3], rows[0]]
    assert await heads(store, [OTHER_LANE, b"none", LANE], 1) == [other, rows[1]]


async def test_a_claim_removes_its_row_and_a_second_one_is_lost(store: Store) -> None:
    row = a_queued()
    await write(store, Changes(queue_put=[row, a_queued(R2)]))
    await write(store, Changes(queue_drop=[row]))
    assert await heads(store, [LANE]) == [a_queued(R2)]
    beat = await store.begin(0)
    with pytest.raises(ClaimLostError):
        await beat.save(Changes(runs=[a_run()], queue_drop=[row, a_queued(R2)]))
    await beat.rollback()
    assert await heads(store, [LANE]) == [a_queued(R2)]
    assert await store.unfinished(None, 10) == []


async def test_a_claim_of_a_row_that_moved_is_lost(store: Store) -> None:
    await write(store, Changes(queue_put=[a_queued(order=5)]))
    beat = await store.begin(0)
    with pytest.raises(ClaimLostError):
        await beat.save(Changes(queue_drop=[a_queued(order=6)]))
    await beat.rollback()


async def test_a_step_is_queued_once_and_moves_when_put_again(store: Store) -> None:
    await write(store, Changes(queue_put=[a_queued(R2), a_queued()]))
    moved = a_queued(order=1, lane=OTHER_LANE)
    await write(store, Changes(queue_put=[a_queued(run_id(3)), moved, a_queued(R2)]))
    assert await heads(store, [LANE, OTHER_LANE]) == [a_queued(R2), a_queued(run_id(3)), moved]
    assert await store.queue_counts() == [QueueCount(LANE, 2), QueueCount(OTHER_LANE, 1)]


async def test_dropping_and_putting_a_step_in_one_beat_moves_it(store: Store) -> None:
    await write(store, Changes(queue_put=[a_queued()]))
    await write(store, Changes(queue_drop=[a_queued()], queue_put=[a_queued(order=9)]))
    assert await heads(store, [LANE]) == [a_queued(order=9)]


async def test_queued_rows_are_found_by_step(store: Store) -> None:
    await write(store, Changes(queue_put=[a_queued(), a_queued(R2, "embed")]))
    beat = await store.begin(0)
    assert await beat.queued([(R2, "embed"), (R1, "none"), (R1, "ocr")]) == [a_queued(R2, "embed"), a_queued()]
    assert await beat.queued([]) == []
    await beat.rollback()


async def test_expired_rows_come_earliest_first(store: Store) -> None:
    rows = [a_queued(run_id(n), order=order) for n, order in enumerate([30, 10, 20])]
    await write(store, Changes(queue_put=rows))
    beat = await store.begin(0)
    assert await beat.expired(AT + 1009, 10) == []
    assert await beat.expired(AT + 1020, 10) == [rows[1], rows[2]]
    assert await beat.expired(AT + 1030, 2) == [rows[1], rows[2]]
    await beat.rollback()


async def test_timers_are_one_per_step_and_kind_and_come_earliest_first(store: Store) -> None:
    assert await store.next_due() is None
    late, early = a_timer(due_at=AT + 5), a_timer(R2, due_at=AT + 1)
    other = a_timer(due_at=AT + 3, kind=TimerKind.TIMEOUT)
    await write(store, Changes(timers_put=[late, early, other]))
    assert await store.next_due() == AT + 1
    beat = await store.begin(0)
    assert await beat.due(AT + 3, 10) == [early, other]
    assert await beat.due(AT + 9, 2) == [early, other]
    await beat.rollback()
    await write(store, Changes(timers_put=[a_timer(due_at=AT)], timers_drop=[(R2, "ocr", TimerKind.RETRY)]))
    assert await store.next_due() == AT
    beat = await store.begin(0)
    assert await beat.due(AT + 9, 10) == [a_timer(due_at=AT), other]
    await beat.rollback()


async def test_a_timer_dropped_and_put_in_one_beat_is_there(store: Store) -> None:
    await write(store, Changes(timers_put=[a_timer(due_at=AT + 1)]))
    again = a_timer(due_at=AT + 2)
    await write(store, Changes(timers_drop=[(R1, "ocr", TimerKind.RETRY)], timers_put=[again]))
    assert await store.next_due() == AT + 2


operations = st.lists(
    st.tuples(
        st.sampled_from(["commit", "rollback", "reopen"]),
        st.lists(st.tuples(st.integers(0, 6), st.sampled_from([LANE, OTHER_LANE]), st.integers(-2, 2)), max_size=5),
        st.lists(st.integers(0, 6), max_size=3, unique=True),
    ),
    max_size=8,
)


@pytest.fixture
def opened(store: Store) -> list[Store]:
    """The store as it was opened last."""
    return [store]


@given(operations)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_counts_and_heads_agree_with_a_plain_dict(
    open_store: OpenStore, opened: list[Store], operations: list[tuple[str, list[tuple[int, bytes, int]], list[int]]]
) -> None:
    store = opened[0]
    model: dict[bytes, Queued] = {row.run: row for row in await heads(store, [LANE, OTHER_LANE], 100)}
    for how, puts, drops in operations:
        after = dict(model)
        dropped = [after.pop(run_id(n)) for n in drops if run_id(n) in after]
        added = {run_id(n): a_queued(run_id(n), order=order, lane=lane) for n, lane, order in puts}
        after.update(added)
        beat = await store.begin(0)
        await beat.save(Changes(queue_put=list(added.values()), queue_drop=dropped))
        assert sorted(map(key, await beat.heads([LANE, OTHER_LANE], 100))) == sorted(map(key, after.values()))
        if how == "rollback":
            await beat.rollback()
        else:
            await beat.commit()
            model = after
        if how == "reopen":
            store = opened[0] = await open_store()
        counts = {row.lane: row.waiting for row in await store.queue_counts()}
        lanes = [row.lane for row in model.values()]
        assert counts == {lane: lanes.count(lane) for lane in dict.fromkeys(lanes)}
        expected = sorted((row for row in model.values()), key=key)
        assert await heads(store, [LANE, OTHER_LANE], 100) == expected


def key(row: Queued) -> tuple[bytes, int, bytes]:
    return (row.lane, row.order, row.run)


async def test_the_queue_rows_of_a_run_come_by_path_in_bites(store: Store) -> None:
    rows = [a_queued(R1, path, order) for path, order in (("b", 1), ("a", 9), ("c", 5))]
    await write(store, Changes(queue_put=[*rows, a_queued(R2, "a")]))
    beat = await store.begin(0)
    assert [row.path for row in await beat.queued_after(R1, "", 2)] == ["a", "b"]
    assert await beat.queued_after(R1, "b", 2) == [rows[2]]
    await beat.rollback()
