"""Any row comes back as it went in, whatever it holds."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.store.rows import any_of
from tests.contracts.store.sample import R1, write
from tidemill.core.rows import (
    Artifact,
    Cached,
    Changes,
    Fire,
    GraphRow,
    History,
    Keys,
    LaneRow,
    Limit,
    Queued,
    Schedule,
    Session,
    StreamItems,
    SubmitKey,
    TaskRow,
    Timer,
)
from tidemill.core.run import Attempt, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.served import Registered
from tidemill.core.shared_rows import Attributes, Kept, Posted, Shelf
from tidemill.core.sharing import ABOVE_ALL
from tidemill.core.values import Value
from tidemill.core.wait_rows import Mailbox, SignalRow, WaitRow
from tidemill.core.webhooks import Delivery
from tidemill.ports.store import Store, WaitFilter

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


Finder = Callable[[Store, Any], Awaitable[Sequence[Any]]]


async def by_key(store: Store, keys: Keys) -> list[Any]:
    rows = await store.rows(keys)
    return [*rows.scopes.values(), *rows.steps.values(), *rows.attempts.values()]


async def of_rules(store: Store, keys: Keys) -> list[Any]:
    rows = await store.rows(keys)
    return [*rows.limits.values(), *rows.cached.values(), *rows.schedules.values(), *rows.submit_keys.values()]


async def of_waits(store: Store, keys: Keys) -> list[Any]:
    rows = await store.rows(keys)
    return [*rows.mailboxes.values(), *rows.signals.values()]


async def of_data(store: Store, row: Attributes) -> list[Any]:
    key = (row.run, row.path)
    found = (await store.rows(Keys(attributes=[key]))).attributes[key]
    listed = await store.attributes(row.run, "", 10_000)
    return [found] if row.path == "" or found in listed else []


async def of_shelves(store: Store, row: Shelf) -> list[Any]:
    return list((await store.rows(Keys(shelves=[row.key]))).shelves.values())


async def of_kept(store: Store, row: Kept) -> list[Any]:
    key = (row.owner, row.name, row.key)
    listed = await store.kept(row.owner, row.name, row.key[:1], "", 10_000)
    found = (await store.rows(Keys(kept=[key]))).kept[key]
    return [found] if found in listed else []


# How a query finds the row, among others.
FINDERS: dict[str, Finder] = {
    "scopes": lambda store, row: by_key(store, Keys(scopes=[(row.run, row.path)])),
    "steps": lambda store, row: by_key(store, Keys(steps=[(row.run, row.path)])),
    "attempts": lambda store, row: by_key(store, Keys(attempts=[(row.run, row.path, row.number)])),
    "streams": lambda store, row: store.stream(row.run, row.path, row.number, row.first, 1),
    "artifacts": lambda store, row: store.artifacts(row.run),
    "sessions": lambda store, row: store.sessions(10_000),
    "tasks": lambda store, row: store.tasks(),
    "graphs": lambda store, row: store.graphs(10_000),
    "limits": lambda store, row: of_rules(store, Keys(limits=[row.key])),
    "cached": lambda store, row: of_rules(store, Keys(cached=[row.key])),
    "submit_keys": lambda store, row: of_rules(store, Keys(submit_keys=[row.name])),
    "lanes": lambda store, row: store.lanes(),
    "schedules": lambda store, row: of_rules(store, Keys(schedules=[row.name])),
    "fires": lambda store, row: store.fires(row.schedule, 2**63 - 1, 10_000),
    "registered": lambda store, row: store.registered(),
    "waits": lambda store, row: store.waits(WaitFilter(run=row.run, open_only=False, limit=10_000)),
    "mailboxes": lambda store, row: of_waits(store, Keys(mailboxes=[row.address])),
    "attributes": of_data,
    "shelves": of_shelves,
    "kept": of_kept,
    "posted": lambda store, row: store.posted(row.owner, row.name, row.number - 1, 1),
    "signals": lambda store, row: of_waits(store, Keys(signals=[(row.address, row.id)])),
}
KINDS = {
    "scopes": any_of(ScopeRow),
    "steps": any_of(Step),
    "attempts": any_of(Attempt),
    "artifacts": any_of(Artifact),
    "sessions": any_of(Session),
    "tasks": any_of(TaskRow),
    "graphs": any_of(GraphRow),
    "limits": any_of(Limit),
    "cached": any_of(Cached).filter(lambda row: row.expires_at > row.made_at),
    "submit_keys": any_of(SubmitKey).filter(lambda row: row.expires_at > row.made_at),
    "lanes": any_of(LaneRow),
    "schedules": any_of(Schedule),
    "fires": any_of(Fire).filter(lambda row: 0 < row.number < 2**63 - 1),
    "registered": any_of(Registered),
    "waits": any_of(WaitRow),
    "mailboxes": any_of(Mailbox),
    "signals": any_of(SignalRow).filter(lambda row: row.expires_at < 2**63),
    "attributes": any_of(Attributes),
    "shelves": any_of(Shelf),
    "kept": any_of(Kept).filter(lambda row: row.key != "" and ABOVE_ALL not in row.key),
    "posted": any_of(Posted).filter(lambda row: row.number > 0),
    "streams": any_of(StreamItems).filter(lambda row: row.items and 0 <= row.first < 2**60),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@quick
async def test_any_row_comes_back(store: Store, kind: str, data: st.DataObject) -> None:
    row = data.draw(KINDS[kind])
    await write(store, Changes(**{kind: [row]}))
    assert row in await FINDERS[kind](store, row)


@given(any_of(Run), any_of(Value), st.binary(), any_of(History))
@quick
async def test_runs_values_chunks_history_and_blobs_come_back(
    store: Store, run: Run, value: Value, chunk: bytes, history: History
) -> None:
    value_key, chunk_key = (run.id, run.workflow, "x"), (run.id, run.workflow, "x", 3)
    changes = Changes(
        runs=[run],
        values={value_key: value},
        chunks={chunk_key: chunk},
        history=[history],
        blobs={run.graph: 2**40},
        blob_refs=[(run.id, run.graph)],
    )
    (number,) = await write(store, changes)
    rows = await store.rows(Keys(runs=[run.id], values=[value_key], chunks=[chunk_key], blobs=[run.graph]))
    assert rows.runs == {run.id: run}
    assert rows.values == {value_key: value}
    assert rows.chunks == {chunk_key: chunk}
    assert rows.blobs == {run.graph: 2**40}
    assert await store.feed(number - 1, history.run, 1) == [(number, history)]


@given(any_of(Delivery))
@quick
async def test_what_is_sent_comes_back(store: Store, delivery: Delivery) -> None:
    await write(store, Changes(outbox=[delivery]))
    await write(store, Changes(sent=[delivery]))
    assert await store.delivery(delivery.id) == delivery


@given(any_of(Queued), any_of(Timer))
@quick
async def test_queue_and_timers_come_back(store: Store, queued: Queued, timer: Timer) -> None:
    await write(store, Changes(queue_put=[queued], timers_put=[timer]))
    beat = await store.begin(0)
    assert await beat.queued([(queued.run, queued.path)]) == [queued]
    assert queued in await beat.heads([queued.lane], 10_000)
    assert queued in await beat.expired(queued.expires_at, 10_000)
    assert timer in await beat.due(timer.due_at, 10_000)
    await beat.save(
        Changes(queue_drop=[queued], timers_drop=[(timer.run, timer.path, timer.kind)]),
    )
    assert await beat.queued([(queued.run, queued.path)]) == []
    assert timer not in await beat.due(timer.due_at, 10_000)
    await beat.commit()


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
async def test_a_big_row_comes_back(store: Store, size: int) -> None:
    key = (R1, "p" * 10_000, "x", 0)
    await write(store, Changes(chunks={key: bytes(size)}))
    assert (await store.rows(Keys(chunks=[key]))).chunks == {key: bytes(size)}
