"""A connection that dies: the same process comes back, and both sides compare what they hold."""

import asyncio

from tidemill.conformance.exam import LONG_S, Exam
from tidemill.conformance.greeting import drop
from tidemill.conformance.verdict import expect
from tidemill.wire import worker as wire

SHORT_S = 0.3
PING_S = 0.2


async def held(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=LONG_S)
    await exam.started(ref)
    hello = await exam.reconnected()
    expect(ref in hello.held, "hello does not list an attempt that runs among what is held")
    expect(ref not in hello.unacknowledged, "an attempt that runs has no result to acknowledge")
    await exam.welcome((ref,))
    await drop(exam, ref)
    await exam.result(await exam.assign("echo", value="after a cut"))


async def unacknowledged(exam: Exam) -> None:
    ref = await exam.assign("echo", value="kept")
    await exam.report(ref)
    hello = await exam.reconnected()
    expect(ref in hello.unacknowledged, "hello does not list a result that was not acknowledged")
    await exam.welcome((ref,))
    again = await exam.report(ref)
    expect(isinstance(again, wire.Succeeded) and exam.value(again.outputs) == "kept", "another result came again")
    await exam.current.say(wire.Ack((ref,)))
    await exam.current.said()
    hello = await exam.reconnected()
    expect(ref not in (*hello.held, *hello.unacknowledged), "hello lists a result that was acknowledged")
    await exam.welcome()


async def made_while_away(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=SHORT_S)
    await exam.started(ref)
    hello = await exam.reconnected()
    await asyncio.sleep(2 * SHORT_S)  # it may end before the welcome
    expect(ref in (*hello.held, *hello.unacknowledged), "hello does not list what was held when the connection died")
    await exam.welcome((ref,))
    await exam.result(ref)


async def stale(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=SHORT_S)
    await exam.started(ref)
    await exam.reconnected()
    peer = await exam.welcome()
    await asyncio.sleep(2 * SHORT_S)
    await peer.said()
    reports = [each for each in peer.heard if isinstance(each, wire.Succeeded | wire.Failed)]
    expect(not [each for each in reports if each.attempt == ref], "what the welcome called stale was reported")


async def credit(exam: Exam) -> None:
    await exam.result(await exam.assign("echo", value=1))
    await exam.reconnected()
    peer, total = await exam.welcome(), exam.said_hello.pools.total
    await peer.until(lambda: peer.granted.get("", 0) > 0, "no credit came after the welcome")
    expect(peer.granted[""] <= total, "credit counts from the welcome, and goes on from the connection before")


async def silent(exam: Exam) -> None:
    await (await exam.peer()).cut()
    await exam.greeted()
    peer = await exam.welcome(ping_s=PING_S)
    expect(
        await peer.ended(exam.within_s + 3 * PING_S),
        f"a ping was promised each {PING_S} s, none came in three times as long",
    )
    await exam.greeted()
    await exam.welcome()


async def refused_for_now(exam: Exam) -> None:
    await (await exam.peer()).cut()
    await exam.greeted()
    await exam.current.say(wire.Refused("the kit is busy", "come back in a moment", final=False))
    await exam.current.ended(0.3)
    await exam.current.cut()
    await exam.greeted()
    await exam.welcome()
