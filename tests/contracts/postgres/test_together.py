"""Two stores on one database: a beat holds what it reads, waits for nobody, and nothing is decided twice."""

import asyncio

import pytest
from msgspec import structs

from tests.contracts.postgres.conftest import Pair
from tests.contracts.store.sample import (
    ADDRESS,
    AT,
    GRAPH,
    LANE,
    R1,
    R2,
    a_queued,
    a_run,
    a_schedule,
    a_session,
    a_step,
    a_task,
    a_timer,
    run_id,
    write,
)
from tidemill.core.notes import About, Note
from tidemill.core.rows import Changes, Entry, History, Keys, Limit, SubmitKey
from tidemill.core.wait_rows import Mailbox
from tidemill.ports.store import BlobGoneError, HeldElsewhereError, StoreLostError


async def test_a_run_that_a_beat_holds_is_held_for_others_until_it_ends(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run(), a_run(R2)], steps=[a_step(), a_step(R2)]))
    mine, other = await one.begin(0), await two.begin(0)
    await mine.load(Keys(runs=[R1]))
    rows = await other.load(Keys(runs=[R1, R2], steps=[(R1, "ocr"), (R2, "ocr"), (R2, "none")]))
    assert rows.held == {R1}
    assert rows.runs == {R2: a_run(R2)}
    assert rows.steps == {(R2, "ocr"): a_step(R2), (R2, "none"): None}
    for asked in (other.steps_after(R1, "", 9), other.queued([(R1, "ocr")]), other.queued_after(R1, "", 9)):
        with pytest.raises(HeldElsewhereError) as caught:
            await asked
        assert caught.value.run == R1
    await mine.save(Changes(steps=[structs.replace(a_step(), latest=7)]))
    await mine.commit()
    assert (await other.load(Keys(steps=[(R1, "ocr")]))).steps[R1, "ocr"].latest == 7  # type: ignore[union-attr]
    await other.rollback()


async def test_shared_rows_are_held_by_their_keys(pair: Pair) -> None:
    one, two = pair
    named = SubmitKey(b"k", R1, GRAPH, AT, AT * 2, R1)
    rows = Changes(limits=[Limit(b"k")], submit_keys=[named], mailboxes=[Mailbox(ADDRESS)], schedules=[a_schedule()])
    await write(one, rows)
    keys = Keys(limits=[b"k", b"none"], submit_keys=[b"k"], mailboxes=[ADDRESS], schedules=["nightly"])
    mine, other = await one.begin(0), await two.begin(0)
    await mine.load(keys)
    found = await other.load(keys)
    assert found.held == {("limits", b"k"), ("submit_keys", b"k"), ("mailboxes", ADDRESS), ("schedules", "nightly")}
    assert (found.limits, found.mailboxes) == ({b"none": None}, {})
    await mine.rollback()
    assert (await other.load(keys)).limits[b"k"] == Limit(b"k")
    await other.rollback()


async def test_claims_and_timers_pass_over_runs_that_others_hold(pair: Pair) -> None:
    one, two = pair
    runs = [run_id(n) for n in range(4)]
    rows = [a_queued(run, order=n) for n, run in enumerate(runs)]
    await write(one, Changes(runs=list(map(a_run, runs)), queue_put=rows, timers_put=list(map(a_timer, runs))))
    mine, other = await one.begin(0), await two.begin(0)
    assert await mine.heads([LANE], 2) == rows[:2]
    assert await other.heads([LANE], 4) == rows[2:]
    assert await mine.due(AT, 9) == [a_timer(run) for run in runs[:2]]
    assert await other.due(AT, 9) == [a_timer(run) for run in runs[2:]]
    assert await other.expired(AT * 2, 9) == rows[2:]
    await mine.save(Changes(queue_drop=rows[:2]))
    await other.save(Changes(queue_drop=rows[2:]))
    await mine.commit()
    await other.commit()
    assert await one.queue_counts() == []


async def test_who_holds_a_run_does_not_wait_for_who_looked_at_its_queue(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run()], queue_put=[a_queued()], timers_put=[a_timer()]))
    mine, other = await one.begin(0), await two.begin(0)
    await mine.load(Keys(runs=[R1]))
    assert (await other.heads([LANE], 9), await other.due(AT, 9)) == ([], [])
    timer = a_timer()
    await mine.save(Changes(queue_drop=[a_queued()], timers_drop=[(timer.run, timer.path, timer.kind)]))
    await mine.commit()
    await other.rollback()


async def test_what_both_believe_absent_is_made_by_one(pair: Pair) -> None:
    one, two = pair
    limit, named = Limit(b"k", used=1), SubmitKey(b"k", R1, GRAPH, AT, AT * 2, R1)
    for changes, keys in [
        (Changes(runs=[a_run()]), Keys(runs=[R1])),
        (Changes(limits=[limit]), Keys(limits=[b"k"])),
        (Changes(submit_keys=[named]), Keys(submit_keys=[b"k"])),
        (Changes(mailboxes=[Mailbox(ADDRESS, ((R1, "hold"),))]), Keys(mailboxes=[ADDRESS])),
    ]:
        mine, other = await one.begin(0), await two.begin(0)
        await mine.load(keys)
        await other.load(keys)
        await mine.save(changes)
        saving = asyncio.create_task(other.save(changes))  # it waits for what becomes of the other row
        await mine.commit()
        with pytest.raises(HeldElsewhereError):
            await saving
        await other.rollback()
        await write(two, changes)  # who has not looked for it replaces it


async def test_a_beat_waits_for_a_run_only_when_it_is_told_to_and_holds_nothing(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run()]))
    mine = await one.begin(0)
    await mine.load(Keys(runs=[R1]))
    waiting = asyncio.create_task(two.begin(0, R1))
    assert (await asyncio.wait([waiting], timeout=0.02))[0] == set()
    await mine.rollback()
    other = await waiting
    mine = await one.begin(0)
    assert (await mine.load(Keys(runs=[R1]))).held == {R1}
    await other.rollback()
    await mine.rollback()


async def test_a_beat_that_waits_in_vain_begins_all_the_same(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run()]))
    mine = await one.begin(0)
    await mine.load(Keys(runs=[R1]))
    other = await two.begin(0, R1)
    assert (await other.load(Keys(runs=[R1]))).held == {R1}
    await other.rollback()
    await mine.rollback()


async def test_a_beat_that_asks_for_nothing_costs_nothing(pair: Pair) -> None:
    store, _ = pair
    before = store.counts().statements
    beat = await store.begin(5)
    assert beat.at == 5
    await beat.rollback()
    assert store.counts().statements == before


async def test_the_feed_never_skips_a_row_that_commits_late(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run(), a_run(R2)]))
    early, late = History(R1, 1, (Entry("early"),)), History(R2, 2, (Entry("late"),))
    first, second = await one.begin(0), await two.begin(0)
    await first.load(Keys(runs=[R1]))  # its transaction is the older one
    await second.load(Keys(runs=[R2]))
    (number,) = await second.save(Changes(history=[late]))
    await second.commit()
    assert await one.feed(0, None, 10) == []
    assert (await one.peers.look()).written < number
    (before,) = await first.save(Changes(history=[early]))
    await first.commit()
    there = {before: early, number: late}
    assert await two.feed(0, None, 10) == [(each, there[each]) for each in sorted(there)]
    assert (await one.peers.look()).written == max(number, before)


async def test_lines_of_a_run_are_in_the_order_in_which_it_was_decided(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run(), a_run(R2)]))
    old, new = await one.begin(0), await two.begin(0)
    await old.load(Keys(runs=[R2]))  # an older transaction, that comes to the run later
    await new.load(Keys(runs=[R1]))
    (first,) = await new.save(Changes(history=[History(R1, 1, (Entry("first"),))]))
    await new.commit()
    await old.load(Keys(runs=[R1]))
    (second,) = await old.save(Changes(history=[History(R1, 2, (Entry("second"),))]))
    await old.commit()
    assert first < second
    assert [row.events[0].kind for _, row in await one.feed(0, R1, 10)] == ["first", "second"]


async def test_a_session_hangs_on_one_server_and_a_takeover_ends_its_claims(pair: Pair) -> None:
    one, two = pair
    await one.peers.look()
    await two.peers.look()
    session = structs.replace(a_session(), server=one.peers.id)
    await write(one, Changes(sessions=[session]))
    mine, other = await one.begin(0), await two.begin(0)
    assert list(await mine.mine([session.id, a_session(2).id])) == [session.id]
    assert await other.mine([session.id]) == []
    assert await other.seated([session.id, a_session(2).id]) == {session.id: one.peers.id}
    with pytest.raises(HeldElsewhereError):  # a claim for it is under way
        await other.elsewhere(session.worker)
    await mine.rollback()
    assert await other.elsewhere(session.worker) == [session]
    mine = await one.begin(0)
    assert await mine.mine([session.id]) == []
    moved = structs.replace(session, server=two.peers.id)
    await other.save(Changes(sessions=[moved], notes=[Note(one.peers.id, About.MOVED, session.id)]))
    await other.commit()
    await mine.save(Changes(extended=[structs.replace(session, seen_at=AT * 2)]))  # by then it is not its own
    assert await mine.notes(10) == [Note(one.peers.id, About.MOVED, session.id)]
    await mine.commit()
    assert await one.sessions(10) == [moved]
    mine = await one.begin(0)
    assert await mine.notes(10) == []
    await mine.rollback()


async def test_notes_stay_until_the_beat_that_took_them_commits(pair: Pair) -> None:
    one, two = pair
    notes = [Note(two.peers.id, About.FREED, a_session(n).id) for n in (1, 2, 3)]
    await write(one, Changes(notes=notes))
    assert (await two.peers.look()).noted
    assert not (await one.peers.look()).noted
    for keep in (False, True):
        beat = await two.begin(0)
        assert await beat.notes(2) == notes[:2]
        await (beat.commit() if keep else beat.rollback())
    beat = await two.begin(0)
    assert await beat.notes(9) == notes[2:]
    await beat.rollback()


async def test_naming_a_blob_and_letting_it_go_exclude_each_other(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run()], blobs={GRAPH: 3}))
    naming, leaving = await one.begin(0), await two.begin(0)
    await naming.save(Changes(blob_refs=[(R1, GRAPH)]))
    await leaving.save(Changes(blobs_leave={GRAPH: AT}))  # it is held: it stays
    await leaving.commit()
    await naming.commit()
    assert [row.is_leaving for row in await one.blobs(b"", 9)] == [False]
    other = b"o" * 32
    await write(one, Changes(blobs={other: 3}))  # type: ignore[dict-item]
    naming, leaving = await one.begin(0), await two.begin(0)
    await leaving.save(Changes(blobs_leave={other: AT}))  # type: ignore[dict-item]
    with pytest.raises(BlobGoneError):
        await naming.save(Changes(blob_refs=[(R1, other)]))  # type: ignore[list-item]
    await naming.rollback()
    await leaving.commit()


async def test_a_frozen_beat_holds_its_runs_only_until_the_database_ends_it(pair: Pair) -> None:
    one, two = pair
    await write(one, Changes(runs=[a_run()]))
    frozen = await one.begin(0)
    await frozen.load(Keys(runs=[R1]))
    await frozen.save(Changes(steps=[a_step()]))
    while (await (beat := await two.begin(0, R1)).load(Keys(runs=[R1]))).held:
        await beat.rollback()
    await beat.rollback()
    with pytest.raises(StoreLostError):
        await frozen.commit()
    assert await two.steps(R1, "", 9) == []
    await write(one, Changes(tasks=[a_task()]))  # and goes on with a new connection
    assert await two.tasks() == [a_task()]
