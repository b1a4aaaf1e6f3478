"""What servers on one database know of each other; and a database that goes away and comes back."""

import asyncio

import pytest
from msgspec import structs

from tests.contracts.postgres.conftest import Pair
from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.sample import AT, R1, a_queued, a_run, a_session, a_task, a_timer, a_webhook, run_id, write
from tests.postgres import PostgresServer
from tidemill.adapters.storage.postgres.logs import PostgresLogs
from tidemill.adapters.storage.postgres.peers import PostgresPeers
from tidemill.core.ids import RunId
from tidemill.core.rows import Changes, Keys
from tidemill.ports.logs import LogRow
from tidemill.ports.peers import Duty, Kind, News
from tidemill.ports.store import RunFilter, StoreLostError


async def opened(peers: PostgresPeers) -> None:
    for _ in iter(lambda: peers._line.is_open, True):
        await asyncio.sleep(0.01)


async def test_servers_count_each_other_and_one_has_the_duties(pair: Pair) -> None:
    one, two = pair[0].peers, pair[1].peers
    first = await one.look()
    assert (first.others, first.duties) == (0, {Duty.CHORES})
    second = await two.look()
    assert (second.others, second.duties) == (1, frozenset())
    assert (await one.look()).others == 1
    await one.leave()
    assert ((await two.look()).others, (await two.look()).duties) == (0, {Duty.CHORES})


async def test_a_server_that_is_silent_loses_its_duties_and_its_sessions(pair: Pair) -> None:
    one, two = pair
    await one.peers.look()
    session = structs.replace(a_session(), server=one.peers.id)
    await write(one, Changes(sessions=[session, structs.replace(a_session(2, live=False), server=b"gone")]))
    assert not (await two.peers.look()).orphans
    looks = [await two.peers.look()]
    for _ in iter(lambda: looks[-1].orphans, True):  # three seconds by the clock of the database
        await asyncio.sleep(0.1)
        looks.append(await two.peers.look())
    look = looks[-1]
    assert (look.others, look.duties) == (0, {Duty.CHORES})
    beat = await two.begin(0)
    assert await beat.orphans(9) == [session]
    assert await beat.elsewhere(session.worker) == [session]
    await beat.rollback()


async def test_a_look_says_how_things_stand(pair: Pair) -> None:
    one, two = pair
    empty = await two.peers.look()
    assert (empty.queued, empty.noted, empty.next_due_at, empty.written) == (False, False, None, 0)
    await write(one, Changes(runs=[a_run()], queue_put=[a_queued()], timers_put=[a_timer()], tasks=[a_task()]))
    await write(one, Changes(registered=[a_webhook()]))
    await write(one, Changes(registered_drop=[("webhook", "chat")]))
    look = await two.peers.look()
    assert (look.queued, look.next_due_at) == (True, AT)
    raised = {kind: look.epochs[kind] - empty.epochs[kind] for kind in Kind}
    assert {kind: by for kind, by in raised.items() if by} == {Kind.TASKS: 1, Kind.REGISTERED: 2}


async def test_words_are_heard_by_others_whole_and_not_by_who_said_them(pair: Pair) -> None:
    one, two = pair[0].peers, pair[1].peers
    hearing = asyncio.create_task(two.heard())
    await opened(two)
    await one.tell(News(queued=True))  # it knows of nobody: nothing is said
    for each in (two, one, two):
        await each.look()
    ended = tuple(RunId(run_id(n)) for n in range(500))
    told = News(queued=True, changed=(Kind.TASKS, Kind.LANES), ended=ended)
    await one.tell(told)
    words = list(await hearing)
    while sum(len(word.ended) for word in words) < len(ended):
        words += await two.heard()
    assert words[0].changed == told.changed
    assert [word.queued for word in words] == [True] + [False] * (len(words) - 1)
    assert tuple(run for word in words for run in word.ended) == ended
    await two.tell(News(written=True))
    assert list(await one.heard()) == [News(written=True)]


async def test_a_line_that_was_cut_is_said_and_made_anew(postgres_server: PostgresServer, pair: Pair) -> None:
    one, two = pair[0].peers, pair[1].peers
    await one.look()
    await two.look()
    await one.look()
    hearing = asyncio.create_task(two.heard())
    await asyncio.sleep(0)
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tidemill peers'"
    await asyncio.to_thread(postgres_server.run, cut)
    with pytest.raises(StoreLostError):
        await hearing
    hearing = asyncio.create_task(two.heard())
    await opened(two)
    while True:
        try:
            await one.look()
            break
        except StoreLostError:
            continue
    await one.tell(News(noted=True))
    assert list(await hearing) == [News(noted=True)]


async def test_a_database_that_restarts_is_found_again(own_postgres: PostgresServer) -> None:
    store = await a_postgres(own_postgres.url())
    logs = PostgresLogs(store.access)
    await logs.open()
    line = LogRow(R1, "ocr", 1, AT, "INFO", "w", "a")
    try:
        await write(store, Changes(runs=[a_run()]))
        await logs.append([line])
        open_beat = await store.begin(0)
        await open_beat.save(Changes(runs=[a_run(run_id(2))]))
        await asyncio.to_thread(own_postgres.kill)
        with pytest.raises(StoreLostError):
            await open_beat.commit()
        lost = await store.begin(0)
        for call in (lost.load(Keys(runs=[R1])), store.runs(RunFilter()), store.peers.look(), logs.append([line])):
            with pytest.raises(StoreLostError, match=r"is not listening|failed|lost|closed"):
                await call
        await lost.rollback()
        await asyncio.to_thread(own_postgres.start)
        beat = await store.begin(0)
        assert (await beat.load(Keys(runs=[R1, run_id(2)]))).runs == {R1: a_run(), run_id(2): None}
        await beat.rollback()
        assert await store.runs(RunFilter()) == [a_run()]
        assert (await store.peers.look()).others == 0
        await logs.append([line])
    finally:
        await logs.close()
        await store.close()


async def test_a_commit_that_is_cancelled_ends_by_itself(pair: Pair) -> None:
    one, _ = pair
    beat = await one.begin(0)
    await beat.save(Changes(runs=[a_run()]))
    committing = asyncio.create_task(beat.commit())
    await asyncio.sleep(0)
    committing.cancel()
    await asyncio.wait([committing])
    await beat.rollback()
    assert await one.runs(RunFilter()) == [a_run()]
    await write(one, Changes(runs=[a_run(run_id(2))]))
