"""Attempts: started, succeeded, failed, twice; stopped, and not ours any more."""

import asyncio
from typing import Any

from msgspec.structs import replace

from tidemill.conformance.exam import LONG_S, Exam
from tidemill.conformance.greeting import drop
from tidemill.conformance.verdict import expect
from tidemill.core.run import Code, End
from tidemill.core.values import Blob
from tidemill.wire import worker as wire

GRACE_S = 3.0
SHORT_S = 0.3
LARGE = 200_000
HUGE = 1_500_000  # no frame carries it
PROOFS = {End.STOPPED, End.KILLED, End.ABANDONED}
TEXT: dict[str, Any] = {"a": [1, 2.5, None, True], "ü": "☂"}


async def succeeds(exam: Exam) -> None:
    values: tuple[Any, ...] = (TEXT, "", 0, None, [[]])
    for value in values:
        got = exam.value((await exam.result(await exam.assign("echo", value=value))).outputs)
        expect(got == value, f"echo was given {value!r} and gave {got!r}")


async def starts(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=SHORT_S)
    await exam.started(ref)
    await exam.result(ref)


async def fails(exam: Exam) -> None:
    ref = await exam.assign("fail", message="on purpose")
    report = await exam.report(ref)
    expect(isinstance(report, wire.Failed), "fail succeeded")
    assert isinstance(report, wire.Failed)  # noqa: S101  # as was just said
    expect(report.failure.code is Code.PERMANENT, f"the code is {report.failure.code.value}, not permanent")
    expect("on purpose" in report.failure.message, f"the message is {report.failure.message!r}")
    expect(report.proof is None, "a failure that nobody asked for has no proof of a stop")
    await exam.current.say(wire.Ack((ref,)))


async def credit_grows(exam: Exam) -> None:
    peer = await exam.peer()
    for number in range(min(exam.said_hello.pools.total, 50) + 1):  # one more than fit at once
        await exam.result(await exam.assign("echo", value=number))
    await peer.said()


async def credit_is_bounded(exam: Exam) -> None:
    await exam.peer()
    total = exam.said_hello.pools.total
    refs = [await exam.assign("sleep", seconds=LONG_S) for _ in range(min(total, 3))]
    peer = exam.current
    await peer.said()
    free = peer.granted[""] - peer.sent
    expect(
        free <= total - len(refs), f"{len(refs)} of {total} slots are taken, and there is credit for {free} attempts"
    )
    await drop(exam, *refs)


async def unknown_task(exam: Exam) -> None:
    peer, ref = await exam.peer(), exam.ref("nobody")
    await exam.credited(exam.said_hello.tasks[0])
    await peer.say(wire.Assign(ref, "nobody.has_this", {}))
    peer.sent += 1
    kinds = wire.Released | wire.Failed
    await peer.hear(kinds, lambda message: message.attempt == ref)  # type: ignore[arg-type]
    await peer.say(wire.Ack((ref,)))


async def assigned_twice(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=SHORT_S)
    peer = exam.current
    await exam.started(ref)
    before = len(peer.heard)
    await peer.say(exam.order("sleep", ref, seconds=SHORT_S))
    peer.sent += 1
    await exam.report(ref)
    await peer.say(exam.order("sleep", ref, seconds=SHORT_S))  # done, and not acknowledged
    peer.sent += 1
    await asyncio.sleep(SHORT_S)
    await peer.said()
    again = [each for each in peer.heard[before:] if isinstance(each, wire.Started) and each.attempt == ref]
    expect(not again, "an attempt that was assigned twice was started twice")
    await peer.say(wire.Ack((ref,)))
    await exam.result(await exam.assign("echo", value="after"))


async def acknowledged_twice(exam: Exam) -> None:
    ref = await exam.assign("echo", value=1)
    await exam.result(ref)
    await exam.current.say(wire.Ack((ref, exam.ref("never"))), wire.Stale((exam.ref("never"),)))
    await exam.result(await exam.assign("echo", value=2))


async def cancels(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=LONG_S)
    await exam.started(ref)
    grace_s = min(GRACE_S, exam.within_s)
    await exam.current.say(wire.Cancel(ref, grace_s, "the kit asks"))
    report = await exam.report(ref, within_s=grace_s + 1.0)
    expect(isinstance(report, wire.Failed), "a cancelled sleep succeeded")
    assert isinstance(report, wire.Failed)  # noqa: S101  # as was just said
    expect(report.failure.code is Code.CANCELLED, f"the code is {report.failure.code.value}, not cancelled")
    expect(report.proof in PROOFS, f"the proof of the stop is {report.proof and report.proof.value}: say stopped")
    await exam.current.say(wire.Ack((ref,)))


async def times_out(exam: Exam) -> None:
    await exam.peer()
    for field in ("timeout_s", "silence_s"):
        ref = exam.ref("sleep")
        await exam.credited(exam.task("sleep"))
        await exam.current.say(replace(exam.order("sleep", ref, seconds=LONG_S), **{field: SHORT_S}))
        exam.current.sent += 1
        report = await exam.report(ref)
        expect(isinstance(report, wire.Failed), f"a sleep that is longer than its {field} succeeded")
        assert isinstance(report, wire.Failed)  # noqa: S101  # as was just said
        expect(report.failure.code is Code.TIMEOUT, f"the code is {report.failure.code.value}, not timeout")
        expect(report.proof in PROOFS, f"the proof of the stop is {report.proof and report.proof.value}: say stopped")
        await exam.current.say(wire.Ack((ref,)))


async def cancel_of_nothing(exam: Exam) -> None:
    peer, ref = await exam.peer(), exam.ref("never")
    await peer.say(wire.Cancel(ref, GRACE_S, ""))
    await peer.hear(wire.Released, lambda message: message.attempt == ref)


async def stale(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=SHORT_S)
    peer = exam.current
    await exam.started(ref)
    before = len(peer.heard)
    await peer.say(wire.Stale((ref,)))
    await asyncio.sleep(2 * SHORT_S)
    await peer.said()
    reports = [each for each in peer.heard[before:] if isinstance(each, wire.Succeeded | wire.Failed)]
    expect(not [each for each in reports if each.attempt == ref], "a stale attempt was reported")
    free = peer.granted[""] - peer.sent
    expect(free == exam.said_hello.pools.total, "a stale attempt kept its slot")


async def large_output(exam: Exam) -> None:
    report = await exam.result(await exam.assign("large", size=HUGE))
    expect(exam.value(report.outputs) == "x" * HUGE, f"large gave no text of {HUGE} characters x")
    report = await exam.result(await exam.assign("large", size=LARGE))
    expect(exam.value(report.outputs) == "x" * LARGE, f"large gave no text of {LARGE} characters x")
    if not exam.current.codec.is_text:
        expect(isinstance(report.outputs["value"], Blob), "a value over 16 KiB goes by blob")


async def large_input(exam: Exam) -> None:
    peer, ref = await exam.peer(), exam.ref("echo")
    text = "y" * LARGE
    data = peer.codec.encode(text)
    await exam.credited(exam.task("echo"))
    await peer.say(wire.Assign(ref, exam.task("echo").name, {"value": exam.stored(data)}))
    peer.sent += 1
    expect(exam.value((await exam.result(ref)).outputs) == text, "echo gave another text than the blob holds")
