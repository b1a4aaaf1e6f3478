"""How a worker ends: by a drain, or because it is not wanted. Each of these ends its process."""

import asyncio

from tidemill.conformance.exam import Exam
from tidemill.conformance.verdict import SkippedError, WrongError, expect
from tidemill.wire import worker as wire

SHORT_S = 0.8
REASON = "this server has no place for workers in tests"
OTHER = "the worker speaks protocol 1.0, the server 2.0"
ADVICE = "install the version that the server has"


async def drain(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=SHORT_S)
    peer = exam.current
    await exam.started(ref)
    await peer.say(wire.Drain())
    crossing = exam.ref("echo")
    await asyncio.sleep(0.2)  # it has heard by now
    await peer.say(exam.order("echo", crossing, value=1))
    await peer.hear(wire.Released, lambda message: message.attempt == crossing)
    report = await exam.report(ref)
    expect(isinstance(report, wire.Succeeded), "what ran when the drain came did not end in order")
    expect(peer.granted[""] <= peer.sent + 1, "a worker that drains grants credit")
    await peer.say(wire.Ack((ref, crossing)))
    await peer.hear(wire.Goodbye)
    await _exits(exam, "after the goodbye", 0)


async def refused(exam: Exam) -> None:
    await _begun(exam)
    await exam.current.say(wire.Refused(REASON, ADVICE))
    await _gives_up(exam, REASON)


async def other_major(exam: Exam) -> None:
    await _begun(exam)
    await exam.current.say(wire.Refused(OTHER, ADVICE))
    await _gives_up(exam, OTHER)


async def _begun(exam: Exam) -> None:
    """A new process of the worker has said hello."""
    await exam.process.stop()
    if exam.last is not None and exam.last.is_open:
        await exam.last.cut()
    await exam.process.start(exam.desk.url)
    await exam.greeted()


async def _gives_up(exam: Exam, reason: str) -> None:
    await exam.current.ended(1.0)
    if exam.current.is_open:
        await exam.current.cut()
    if exam.process.is_seen:
        await _exits(exam, "after it was refused for good", None)
        expect(reason in exam.process.output, f"the process ended and did not print the reason: {reason}")
    elif (again := await exam.desk.arrival(exam.within_s)) is not None:
        await again.cut()
        raise WrongError("the worker was refused for good, and came back")


async def _exits(exam: Exam, when: str, wanted: int | None) -> None:
    if not exam.process.is_seen:
        raise SkippedError("the process is not the kit's own: give the command after --")
    code = await exam.process.ended(exam.within_s)
    if code is None:
        raise WrongError(f"the process goes on {when}")
    if wanted is None:
        expect(code != 0, f"the process ended with exit code 0 {when}: say that it failed")
    else:
        expect(code == wanted, f"the process ended with exit code {code} {when}, not {wanted}")
