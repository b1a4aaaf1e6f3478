"""Hello, credit, heartbeats, and what a peer does not know."""

from tidemill.conformance.exam import BEAT_S, LONG_S, Exam
from tidemill.conformance.verdict import WrongError, expect
from tidemill.wire import worker as wire

ID_BYTES = 16


async def hello(exam: Exam) -> None:
    said = await exam.greeted()
    expect(said.protocol.partition(".")[0] == "1", f"hello says protocol {said.protocol!r}: say 1.0")
    expect(said.worker, "hello names no worker")
    expect(len(said.instance) == ID_BYTES, f"the instance has {len(said.instance)} bytes, and needs {ID_BYTES}")
    expect(said.pools.total > 0, "pools.total is the number of attempts at once: at least 1")
    expect(not said.held, "a process that has just begun executes nothing")  # results of an earlier life may be there
    expect(not exam.current.granted, "credit is granted after the welcome")
    await exam.welcome()


async def tasks(exam: Exam) -> None:
    said = exam.said_hello
    names = [task.name for task in said.tasks]
    expect(names, "hello announces no task")
    expect(len(names) == len(set(names)), "a task is announced twice")
    for task in said.tasks:
        expect(task.inputs.get("type") == "object", f"inputs of {task.name} are a schema of type object")
        expect(task.outputs, f"{task.name} has no output port: the usual one is `value`")


async def credit(exam: Exam) -> None:
    peer, total = await exam.peer(), exam.said_hello.pools.total
    await peer.until(lambda: peer.granted.get("", 0) > 0, "no credit came after the welcome")
    expect(peer.granted[""] <= total, f"credit for {peer.granted['']} attempts is granted, and the pool has {total}")


async def ping(exam: Exam) -> None:
    peer = await exam.peer()
    await peer.say(wire.Ping())
    beat = await peer.hear(wire.Heartbeat)
    expect(beat.received == peer.sent, f"{peer.sent} attempts were sent, and the heartbeat counts {beat.received}")
    await exam.result(await exam.assign("echo", value=1))
    await peer.say(wire.Ping())
    beat = await peer.hear(wire.Heartbeat)
    expect(beat.received == peer.sent, f"{peer.sent} attempts were sent, and the heartbeat counts {beat.received}")


async def beats(exam: Exam) -> None:
    ref = await exam.assign("sleep", seconds=LONG_S)
    try:
        for _ in range(2):
            await exam.current.hear(wire.Heartbeat, within_s=4 * BEAT_S + 0.5)
    except WrongError:
        raise WrongError(f"welcome asks for a heartbeat each {BEAT_S:g} s while something is held") from None
    await drop(exam, ref)


async def unknown_fields(exam: Exam) -> None:
    ref, task = exam.ref("echo"), exam.task("echo")
    peer = await exam.peer()
    await exam.credited(task)
    codec = peer.codec
    message = codec.plain(codec.encode([exam.order("echo", ref, value="spare")]))[0]
    await peer.say([*message, None, {"field": "of a later version"}])
    peer.sent += 1
    expect(exam.value((await exam.result(ref)).outputs) == "spare", "echo gave another value")


async def unknown_messages(exam: Exam) -> None:
    peer = await exam.peer()
    await peer.say(["from_the_future", {"a": 1}, [2]])
    await peer.said()
    await peer.say(["from_the_future"], wire.Ping())
    await peer.hear(wire.Heartbeat)


async def bad_frame(exam: Exam) -> None:
    peer = await exam.peer()
    await peer.say_frame(b'{"no": "frame"}' if peer.codec.is_text else b"\xc1 no msgpack")
    if await peer.ended(0.3):
        await exam.greeted()
        await exam.welcome()
    await exam.result(await exam.assign("echo", value="after a bad frame"))


async def drop(exam: Exam, *refs: wire.AttemptRef) -> None:
    """Stop what a check has started."""
    peer = exam.current
    await peer.say(*(wire.Cancel(ref, 1.0, "the check is over") for ref in refs))
    waiting = set(refs)
    while waiting:  # they end in any order
        waiting.discard((await exam.report(*waiting)).attempt)
    await peer.say(wire.Ack(refs))
