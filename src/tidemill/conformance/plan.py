"""All checks in order, and the course of an examination. `docs/protocol.md` has the protocol that they check."""

from collections.abc import Callable, Collection, Sequence

from tidemill.conformance import cuts, greeting, leaving, running, streams
from tidemill.conformance.exam import Exam
from tidemill.conformance.verdict import Check, Need, Outcome, SkippedError, Verdict, WrongError

FRAMES_SHOWN = 12

CHECKS = (
    Check("hello", "The first message is hello, as the schema says", greeting.hello),
    Check("hello.tasks", "Hello announces tasks, each once, with schemas", greeting.tasks),
    Check("credit", "Credit is granted after the welcome, at most for what fits at once", greeting.credit),
    Check("attempt.succeeds", "An attempt gives its outputs back by port", running.succeeds),
    Check("attempt.starts", "Started comes before the result", running.starts),
    Check("attempt.fails", "A failure has a code, a message, and no proof of a stop", running.fails),
    Check("attempt.unknown", "An attempt of a task that is not announced is handed back", running.unknown_task),
    Check("attempt.twice", "An attempt that is assigned twice is not run twice", running.assigned_twice),
    Check("credit.grows", "Credit is a running total: what ended makes room", running.credit_grows),
    Check("credit.bound", "Credit never goes beyond the free slots", running.credit_is_bounded),
    Check("ping", "A ping is answered by a heartbeat with the count of attempts received", greeting.ping),
    Check("heartbeat", "Heartbeats come by themselves while something is held", greeting.beats),
    Check("ack.twice", "Acknowledgements of what is not there are passed over", running.acknowledged_twice),
    Check("cancel", "A cancelled attempt fails with its proof within the grace", running.cancels),
    Check("timeout", "Longer than timeout_s, or than silence_s without a sign of life, fails", running.times_out),
    Check("cancel.nothing", "A cancel of what is not held is answered with released", running.cancel_of_nothing),
    Check("stale", "What is stale is dropped without a report, and frees its slot", running.stale),
    Check("later.fields", "Fields of a later version are passed over", greeting.unknown_fields),
    Check("later.messages", "Messages of a later version are passed over", greeting.unknown_messages),
    Check("frames.bad", "A frame that is none ends no worker", greeting.bad_frame),
    Check("cut.held", "After a cut, hello lists what runs, and it goes on", cuts.held),
    Check("cut.results", "After a cut, results that were not acknowledged come again", cuts.unacknowledged),
    Check("cut.away", "A result that was made while the connection was down arrives", cuts.made_while_away),
    Check("cut.stale", "What the welcome calls stale is stopped and not reported", cuts.stale),
    Check("cut.credit", "Credit counts from the last welcome", cuts.credit),
    Check("cut.silent", "A connection that died without a word is given up", cuts.silent),
    Check("refused.later", "A worker that is refused for now comes back", cuts.refused_for_now),
    Check("large.output", "A large output arrives, by blob", running.large_output, Need.IF_OFFERED),
    Check("large.input", "An input that lies in a blob is fetched", running.large_input),
    Check("stream", "Items are numbered from 0, and end with their count", streams.numbered, Need.IF_OFFERED),
    Check("stream.empty", "A stream may have no items", streams.empty, Need.IF_OFFERED),
    Check("stream.bound", "At most 256 items wait for their acknowledgement", streams.held_back, Need.IF_OFFERED),
    Check("stream.again", "After a cut, items go on from the last acknowledged", streams.sent_again, Need.IF_OFFERED),
    Check("drain", "A drain lets run what runs, takes nothing more, says goodbye and exits", leaving.drain),
    Check("refused", "A worker that is refused for good exits with the reason", leaving.refused),
    Check("refused.major", "A server of another major version is no reason to try again", leaving.other_major),
)
# What is looked at all the time.
ALWAYS = {
    "hello.subprotocol": "The worker asks for a sub-protocol that there is",
    "frames.valid": "All frames are as the schema says",
    "frames.kind": "Frames are texts in JSON, and binary in msgpack",
    "frames.size": "A frame has at most 1 MiB",
    "attempt.once": "An attempt is started once on a connection",
    "blob.type": "Blobs are sent as application/octet-stream",
    "blob.digest": "Blobs are sent under their own digest",
}

Tell = Callable[[Verdict], None]


async def examine(exam: Exam, tell: Tell, only: Collection[str] = ()) -> Sequence[Verdict]:
    """Make each check; ``tell`` hears each verdict as it falls.

    Args:
        only: ids of checks; hello is always made, and what is looked at all the time.
    """
    verdicts: list[Verdict] = []
    await exam.process.start(exam.desk.url)
    try:
        for check in CHECKS:
            if only and check.id not in {"hello", *only}:
                continue
            verdicts.append(await _judged(exam, check))
            tell(verdicts[-1])
            if exam.hello is None:
                break  # nobody is there, or it says something else
    finally:
        await exam.process.stop()
    for name, sentence in ALWAYS.items():
        fault = exam.desk.faults.get(name, "")
        verdicts.append(Verdict(name, sentence, Need.REQUIRED, Outcome.FAILED if fault else Outcome.PASSED, fault))
        tell(verdicts[-1])
    return verdicts


async def _judged(exam: Exam, check: Check) -> Verdict:
    if exam.last is not None:
        exam.last.frames.clear()
    try:
        await check.judge(exam)
    except SkippedError as skipped:
        return Verdict(check.id, check.sentence, check.need, Outcome.SKIPPED, str(skipped))
    except WrongError as wrong:
        frames = tuple(exam.last.frames)[-FRAMES_SHOWN:] if exam.last is not None else ()
        await _anew(exam)
        return Verdict(check.id, check.sentence, check.need, Outcome.FAILED, str(wrong), frames)
    return Verdict(check.id, check.sentence, check.need, Outcome.PASSED)


async def _anew(exam: Exam) -> None:
    """The next check begins with a connection of its own."""
    if exam.last is not None and exam.last.is_open:
        await exam.last.cut()
    if exam.process.is_seen and await exam.process.ended(0.1) is not None:
        await exam.process.start(exam.desk.url)
