"""Events of a run over the protocol: each recorded once, in order, whatever comes twice or late."""

from pathlib import Path

import pytest

from tests.engine.peer import Mill
from tidemill.core import emitting
from tidemill.core.run import Code
from tidemill.core.telling import Emission, Measure
from tidemill.wire import worker as wire


def made(*numbers: int) -> tuple[Emission, ...]:
    return tuple(Emission("made", number) for number in numbers)


async def test_what_comes_twice_is_recorded_once_and_a_gap_is_not_taken(tmp_path: Path) -> None:
    async with Mill(tmp_path).opened() as mill:
        peer = await mill.worker()
        run = await mill.started()
        ref = await peer.take()
        await peer.say(wire.Event(ref, 0, made(0, 1)))
        assert (await peer.hear(wire.EventAck)).upto == 2
        await peer.say(wire.Event(ref, 1, made(1, 2)))
        assert (await peer.hear(wire.EventAck)).upto == 3
        await peer.say(wire.Event(ref, 7, made(7)))
        assert (await peer.hear(wire.EventAck)).upto == 3
        rows = await mill.store.emitted(run, "", 0, 100)
        assert [(row.number, row.payload) for row in rows] == [(1, 0), (2, 1), (3, 2)]
        assert [row.number for row in await mill.store.emitted(run, "made", 1, 1)] == [2]
        assert await mill.store.emitted(run, "other", 0, 100) == []
        await peer.say(wire.Metric(ref, (Measure("loss", 0.25),)))
        await peer.say(wire.Event(ref, 3, made(3)))
        await peer.hear(wire.EventAck)
        assert [each.name for each in (await mill.attempt(ref)).measures] == ["loss"]
        await peer.succeed(ref)
        await peer.say(wire.Event(ref, 4, made(4)))
        assert (await peer.hear(wire.Stale)).attempts == (ref,)


async def test_an_attempt_that_was_overtaken_tells_nothing_more(tmp_path: Path) -> None:
    async with Mill(tmp_path).opened() as mill:
        peer = await mill.worker()
        run = await mill.started()
        first = await peer.take()
        await peer.say(wire.Event(first, 0, made(0)))
        await peer.hear(wire.EventAck)
        await peer.fail(first, Code.TRANSIENT)
        second = await peer.take()
        await peer.say(wire.Event(first, 1, made(1)), wire.Event(second, 0, made(2)))
        assert (await peer.hear(wire.Stale)).attempts == (first,)
        await peer.hear(wire.EventAck)
        rows = await mill.store.emitted(run, "", 0, 100)
        assert [(row.number, row.attempt, row.payload) for row in rows] == [(1, 1, 0), (2, 2, 2)]


async def test_a_run_keeps_so_many_and_counts_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitting, "EMISSIONS_OF_RUN", 2)
    async with Mill(tmp_path).opened() as mill:
        peer = await mill.worker()
        run = await mill.started()
        ref = await peer.take()
        await peer.say(wire.Event(ref, 0, made(*range(5))))
        assert (await peer.hear(wire.EventAck)).upto == 5
        assert len(await mill.store.emitted(run, "", 0, 100)) == 2
        assert (await mill.run(run)).emitted == 5


async def test_an_event_that_is_too_large_ends_the_conversation(tmp_path: Path) -> None:
    async with Mill(tmp_path).opened() as mill:
        peer = await mill.worker()
        await mill.started()
        ref = await peer.take()
        await peer.say(wire.Event(ref, 0, (Emission("large", "x" * 40_000),)))
        assert "over 16,384 bytes" in (await peer.hear(wire.Refused)).reason
