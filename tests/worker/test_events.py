"""Events that a body tells of: numbered, sent again until they are durable, before the report."""

from pathlib import Path

from tests.worker.scripted import Bench, Gate, assign, given, ref
from tidemill.core.telling import Emission
from tidemill.sdk.context import Context
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()


@w.task
async def tells(ctx: Context, upto: int) -> int:
    for number in range(upto):
        ctx.emit("made", number)
    ctx.metric("loss", 0.5)
    return upto


@w.task
def holds(ctx: Context, name: str) -> None:
    ctx.emit("begun")
    ctx.metric("steps", 3, "1")
    gate.block(name)


async def test_the_report_waits_until_the_events_are_durable(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.tells", inputs=given(upto=2)))
        told: list[Emission] = []
        while len(told) < 2:
            event = await server.hear(wire.Event)
            assert event.first == len(told)
            told += event.emissions
        assert told == [Emission("made", 0), Emission("made", 1)]
        await server.silence()
        assert not server.all_of(wire.Succeeded)
        await server.say(wire.EventAck(ref(), 2))
        report = await server.hear(wire.Succeeded)
        assert [(each.name, each.last) for each in report.measures] == [("loss", 0.5)]
        assert report.took is not None
        assert report.took.peak_kib > 1000


async def test_events_that_were_not_acknowledged_come_again_after_a_reconnect(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.tells", inputs=given(upto=3)))
        await server.hear(wire.Event, lambda event: event.first + len(event.emissions) == 3)
        await server.say(wire.EventAck(ref(), 1))
        await server.silence()
        await server.hang_up()
        await server.accept()
        again = await server.hear(wire.Event)
        assert (again.first, [each.payload for each in again.emissions]) == (1, [1, 2])
        await server.say(wire.EventAck(ref(), 3))
        await server.hear(wire.Succeeded)


async def test_events_and_metrics_go_while_the_body_runs(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.holds", inputs=given(name="a")))
        assert (await server.hear(wire.Event)).emissions == (Emission("begun"),)
        assert [each.name for each in (await server.hear(wire.Metric)).measures] == ["steps"]
        await server.say(wire.EventAck(ref(), 1))
        gate.open("a")
        await server.hear(wire.Succeeded)
