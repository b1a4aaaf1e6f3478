"""A beat is all or nothing, and lasts."""

import pytest
from msgspec.structs import replace

from tests.contracts.store.conftest import OpenStore, on_sqlite
from tests.contracts.store.sample import (
    AT,
    GRAPH,
    LANE,
    R1,
    R2,
    SESSION,
    a_graph,
    a_queued,
    a_run,
    a_session,
    a_step,
    a_task,
    an_attempt,
    everything,
    write,
)
from tidemill.core.rows import Changes, Entry, History, Keys
from tidemill.core.run import AttemptEnded, End
from tidemill.core.scopes import Scope
from tidemill.core.values import Inline
from tidemill.ports.store import RunFilter, Store

ALL_KEYS = Keys(
    runs=[R1, R2],
    scopes=[(R1, ""), (R2, "")],
    steps=[(R1, "ocr"), (R1, "none")],
    attempts=[(R1, "ocr", 1), (R1, "ocr", 2)],
    values=[(R1, "", "x"), (R1, "", "y")],
    chunks=[(R1, "pages", "page", 0), (R1, "pages", "page", 1)],
    blobs=[GRAPH],
)


async def test_each_row_is_found_by_its_key_and_an_absent_one_is_none(store: Store) -> None:
    await write(store, everything())
    beat = await store.begin(0)
    rows = await beat.load(ALL_KEYS)
    await beat.rollback()
    assert rows.runs == {R1: a_run(), R2: None}
    assert rows.scopes == {(R1, ""): Scope(R1, "", 1), (R2, ""): None}
    assert rows.steps == {(R1, "ocr"): a_step(), (R1, "none"): None}
    assert rows.attempts == {(R1, "ocr", 1): an_attempt(), (R1, "ocr", 2): None}
    assert rows.values == {(R1, "", "x"): Inline(b"\x01"), (R1, "", "y"): None}
    assert rows.chunks == {(R1, "pages", "page", 0): b"\x90", (R1, "pages", "page", 1): None}
    assert rows.blobs == {GRAPH: 3}
    assert await store.rows(ALL_KEYS) == rows


async def test_a_rolled_back_beat_leaves_nothing(store: Store) -> None:
    beat = await store.begin(0)
    await beat.save(everything())
    await beat.rollback()
    assert await store.runs(RunFilter()) == []
    assert await store.queue_counts() == []
    assert await store.feed(0, None, 10) == []
    assert await store.sessions(10) == []
    beat = await store.begin(0)
    assert await beat.heads([LANE], 10) == []
    await beat.rollback()


async def test_a_committed_beat_is_there_after_reopening(open_store: OpenStore) -> None:
    first = await open_store()
    identity = first.id
    await write(first, everything())
    store = await open_store()
    assert store.id == identity
    assert (await store.rows(ALL_KEYS)).runs[R1] == a_run()
    assert await store.tasks() == [a_task()]
    assert await store.graph(a_graph().digest) == a_graph()
    beat = await store.begin(0)
    assert await beat.heads([LANE], 10) == [a_queued()]
    await beat.rollback()


async def test_a_beat_sees_what_it_saved_and_queries_do_not(store: Store) -> None:
    beat = await store.begin(0)
    await beat.save(Changes(runs=[a_run()], attempts=[an_attempt()], queue_put=[a_queued()]))
    assert (await beat.load(Keys(runs=[R1]))).runs == {R1: a_run()}
    assert await beat.heads([LANE], 1) == [a_queued()]
    assert await beat.held_by([SESSION]) == [an_attempt()]
    await beat.rollback()


async def test_a_row_with_the_same_key_replaces_what_was_there(store: Store) -> None:
    await write(store, everything())
    ended = an_attempt()
    ended = type(ended)(*(getattr(ended, name) for name in ended.__struct_fields__[:7]), AttemptEnded(End.LOST, AT))
    await write(store, Changes(attempts=[ended], sessions=[a_session(seen_at=AT + 9)]))
    assert await store.attempts(R1, "ocr", 10) == [ended]
    assert await store.sessions(10) == [a_session(seen_at=AT + 9)]
    beat = await store.begin(0)
    assert await beat.held_by([SESSION]) == []
    await beat.rollback()


async def test_of_rows_of_one_session_in_one_beat_the_last_extension_counts(store: Store) -> None:
    longer = [replace(a_session(), seen_at=AT + number, server=store.peers.id) for number in (1, 3, 2)]
    await write(store, Changes(sessions=[replace(a_session(), server=store.peers.id)], extended=longer))
    assert await store.sessions(10) == [longer[-1]]
    await write(store, Changes(extended=longer[:2]))
    assert await store.sessions(10) == [longer[1]]


async def test_history_rows_get_rising_numbers_in_order(store: Store) -> None:
    rows = [History(run, AT + n, (Entry(f"e{n}"),)) for n, run in enumerate([R1, R2, R1])]
    first = await write(store, Changes(history=rows))
    second = await write(store, Changes(history=rows[:1]))
    assert first == sorted(first)
    assert second[0] > first[-1]
    assert await store.feed(0, None, 10) == [*zip(first, rows, strict=True), (second[0], rows[0])]
    assert await store.feed(first[0], R1, 10) == [(first[2], rows[2]), (second[0], rows[0])]


@on_sqlite
async def test_an_empty_beat_costs_no_statement(store: Store) -> None:
    before = store.counts()  # type: ignore[attr-defined]
    beat = await store.begin(0)
    assert await beat.heads([LANE], 10) == []
    await beat.commit()
    assert store.counts() == before  # type: ignore[attr-defined]


async def test_only_one_beat_is_open_at_a_time(store: Store) -> None:
    beat = await store.begin(0)
    with pytest.raises(Exception, match="open already"):
        await store.begin(0)
    await beat.rollback()
    await (await store.begin(0)).rollback()


async def test_a_value_that_is_dropped_and_put_in_one_beat_is_there(store: Store) -> None:
    old, new = Inline(b"\x01"), Inline(b"\x02")
    await write(store, Changes(values={(R1, "", "x"): old, (R1, "", "y"): old}))
    await write(store, Changes(values_drop=[(R1, "", "x"), (R1, "", "y")], values={(R1, "", "x"): new}))
    assert await store.values(R1, "") == {"x": new}
