"""What all checks share: the worker, its connection, what it has been told to run."""

from typing import Any, Protocol

import msgspec

from tidemill.conformance.codec import Codec
from tidemill.conformance.desk import Desk
from tidemill.conformance.peer import Peer
from tidemill.conformance.verdict import SkippedError, WrongError, expect
from tidemill.core.definitions import TaskDefinition
from tidemill.core.ids import digest_of
from tidemill.core.values import Blob, Encoding, Given, Inline, Value
from tidemill.wire import worker as wire

TASKS = {
    "echo": "echo(value) gives the value back",
    "fail": "fail(message) fails with the code `permanent` and the message",
    "sleep": "sleep(seconds) takes so long, can be stopped, and gives the seconds back",
    "count": "count(upto) streams the numbers from 0 to upto - 1",
    "large": "large(size) gives a text of so many characters x",
}
LEASE_S = 30.0
BEAT_S = 0.3
LONG_S = 60.0  # of a sleep that is never waited for
STORE = b"conformance kit."

Report = wire.Succeeded | wire.Failed


class Process(Protocol):
    """The worker under test as the kit starts it; or a person does, and then nothing is known of its end."""

    async def start(self, url: str) -> None: ...

    async def ended(self, within_s: float) -> int | None:
        """Its exit code; None when it goes on, or cannot be seen."""
        ...

    async def stop(self) -> None: ...

    @property
    def is_seen(self) -> bool: ...

    @property
    def output(self) -> str: ...


class Exam:
    def __init__(self, desk: Desk, process: Process, within_s: float) -> None:
        self.desk, self.process, self.within_s = desk, process, within_s
        self.hello: wire.Hello | None = None
        self.last: Peer | None = None
        self._count = 0

    # Its connection --------------------------------------------------------------------------------

    @property
    def current(self) -> Peer:
        if self.last is None:
            raise WrongError("the worker is not connected")
        return self.last

    @property
    def said_hello(self) -> wire.Hello:
        if self.hello is None:
            raise SkippedError("the worker never said hello")
        return self.hello

    async def greeted(self) -> wire.Hello:
        """The hello of the next connection, unanswered."""
        peer = await self.desk.arrival(self.within_s)
        if peer is None:
            raise WrongError(f"the worker did not connect within {self.within_s:g} s")
        self.last = peer
        hello = await peer.hear(wire.Hello)
        expect(peer.heard[0] is hello, "the first message of a connection is hello")
        self.hello = hello
        return hello

    async def welcome(self, keep: tuple[wire.AttemptRef, ...] = (), ping_s: float = 0.0) -> Peer:
        """Answer the hello; what is not kept is stale."""
        hello, peer = self.said_hello, self.current
        stale = tuple(ref for ref in (*hello.held, *hello.unacknowledged) if ref not in keep)
        await peer.say(wire.Welcome(wire.PROTOCOL, STORE, LEASE_S, BEAT_S, keep, stale, "", ping_s))
        return peer

    async def peer(self) -> Peer:
        """The connection that is there, or the next one, welcomed."""
        if self.last is None or not self.last.is_open:
            await self.greeted()
            await self.welcome()
        return self.current

    async def reconnected(self) -> wire.Hello:
        """Cut the connection; the hello of the next one."""
        before = self.said_hello
        await self.current.cut()
        hello = await self.greeted()
        expect(hello.worker == before.worker, "the worker came back with another worker id")
        expect(hello.instance == before.instance, "the worker came back with another instance: it is the same process")
        return hello

    # What it runs ----------------------------------------------------------------------------------

    def task(self, kind: str) -> TaskDefinition:
        for task in self.said_hello.tasks:
            if task.name.rpartition(".")[2] == kind:
                return task
        raise SkippedError(f"the worker announces no task {kind}: {TASKS[kind]}")

    def ref(self, kind: str) -> wire.AttemptRef:
        """An attempt that never was."""
        self._count += 1
        return wire.AttemptRef(digest_of(b"run %d" % self._count)[:16], kind, 1)

    def order(self, kind: str, ref: wire.AttemptRef, /, **inputs: Any) -> wire.Assign:
        given = self.current.codec.given
        return wire.Assign(ref, self.task(kind).name, {name: given(value) for name, value in inputs.items()})

    async def assign(self, kind: str, **inputs: Any) -> wire.AttemptRef:
        """An attempt of one of the known tasks, as soon as there is credit for it."""
        ref = self.ref(kind)
        task = self.task(kind)
        peer = await self.peer()
        await self.credited(task)
        await peer.say(self.order(kind, ref, **inputs))
        peer.sent += 1
        return ref

    async def credited(self, task: TaskDefinition) -> None:
        """Until there is credit."""
        peer, pool = self.current, task.options.pool
        limits = self.said_hello.pools.limits

        def is_credited() -> bool:
            return all(peer.granted.get(each, 0) > peer.sent for each in {"", *({pool} & limits.keys())})

        await peer.until(is_credited, f"the worker grants no credit beyond the {peer.sent} attempts it was sent")

    async def started(self, ref: wire.AttemptRef) -> None:
        peer = self.current
        where = lambda message: message.attempt == ref  # noqa: E731  # three times the same in one line each
        await peer.hear(wire.Started, where)

    async def report(self, *refs: wire.AttemptRef, within_s: float = 0) -> Report:
        """How the first of them to end ended; not acknowledged."""
        kinds: Any = wire.Succeeded | wire.Failed
        found: Report = await self.current.hear(kinds, lambda message: message.attempt in refs, within_s)
        return found

    async def result(self, ref: wire.AttemptRef) -> wire.Succeeded:
        """Its success, acknowledged."""
        report = await self.report(ref)
        await self.current.say(wire.Ack((ref,)))
        if isinstance(report, wire.Failed):
            raise WrongError(f"{ref.path} failed ({report.failure.code.value}): {report.failure.message}")
        return report

    def value(self, outputs: dict[str, Value]) -> Any:
        """What the port `value` holds."""
        codec: Codec = self.current.codec
        match outputs.get("value"):
            case Inline(data=data, encoding=encoding):
                pass
            case Blob(digest=digest, size=size, encoding=encoding):
                stored = self.desk.blobs.get(digest)  # type: ignore[call-overload]
                if stored is None:
                    raise WrongError(f"the report names the blob sha256:{digest.hex()}, which was not uploaded before")
                expect(len(stored) == size, f"the report says {size} bytes of a blob of {len(stored)}")
                data = stored
            case other:
                raise WrongError(f"the output port `value` is missing, or no value: {other!r}")
        if codec.is_text:
            expect(encoding is Encoding.JSON, 'a worker that speaks JSON says so of its values: the encoding is "j"')
        try:
            return msgspec.json.decode(data) if encoding is Encoding.JSON else msgspec.msgpack.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise WrongError(f"the output is no {encoding.name.lower()}: {error}") from None

    def stored(self, data: bytes) -> Given:
        """An encoded value that lies in a blob."""
        digest = digest_of(data)
        self.desk.blobs[digest] = data
        return Given(Blob(digest, len(data), self.current.codec.encoding))
