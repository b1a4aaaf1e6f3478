"""An interpreter between a worker that speaks JSON and the conversation, which speaks msgpack.

The messages are the same. What differs is the values (`handover`), and that an assignment whose inputs cannot be handed
over never reaches the worker: the interpreter fails it in the worker's name, and corrects the worker's counts by it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from tidemill.core.errors import InputError
from tidemill.core.run import Code, Failure
from tidemill.ports.link import Link
from tidemill.server.handover import Handover, NotJsonError, item_of
from tidemill.wire.worker import (
    Ack,
    Assign,
    AttemptRef,
    BadMessageError,
    Chunk,
    Credit,
    Failed,
    Heartbeat,
    Hello,
    Ping,
    Stale,
    Succeeded,
    ToServer,
    decode_json_to_server,
    decode_to_worker,
    encode_frame,
    encode_json_frame,
)


class JsonLink:
    """A link of frames in msgpack over one of frames in JSON."""

    def __init__(self, link: Link, handover: Handover) -> None:
        self._link, self._handover = link, handover
        self._pools: dict[str, str] = {}  # of tasks
        self._granted: dict[str, int] = {}
        self._kept_back = Counter[str]()  # assignments that the worker never saw, in all ("") and per pool
        self._failed: list[Failed] = []  # in its name, not yet told
        self._unsettled: set[AttemptRef] = set()  # of those: told, and not yet acknowledged

    async def send(self, frame: bytes) -> None:
        messages = [await self._to_worker(message) for message in decode_to_worker(frame)]
        if told := [each for each in messages if each is not None]:
            await self._link.send(encode_json_frame(told))

    async def receive(self) -> bytes:
        heard = [await self._to_server(message) for message in decode_json_to_server(await self._link.receive())]
        if self._failed:
            heard += [*self._failed, self._credit()]
            self._failed = []
        return encode_frame(heard)

    async def close(self) -> None:
        await self._link.close()

    async def _to_worker(self, message: Any) -> Any:
        match message:
            case Assign():
                return await self._assignment(message)
            case Ack(attempts=attempts) | Stale(attempts=attempts) if not self._unsettled.isdisjoint(attempts):
                theirs = tuple(each for each in attempts if each not in self._unsettled)
                self._unsettled.difference_update(attempts)
                return replace(message, attempts=theirs) if theirs else None
            case _:
                return message

    async def _assignment(self, message: Assign) -> Assign | Ping:
        try:
            return replace(message, inputs=await self._handover.inputs(message.attempt.run, message.inputs))
        except InputError as error:
            self._unsettled.add(message.attempt)
            self._failed.append(Failed(message.attempt, Failure(Code.INVALID_INPUT, str(error))))
            self._kept_back.update({"", self._pools.get(message.task, "")})
            return Ping()  # its answer brings the failure along

    async def _to_server(self, message: ToServer) -> ToServer:
        match message:
            case Succeeded():
                return await self._succeeded(message)
            case Chunk(items=items):
                return replace(message, items=_items(items))
            case Credit(granted=granted):
                self._granted = granted
                return self._credit()
            case Heartbeat(received=received):
                return replace(message, received=received + self._kept_back[""])
            case Hello(tasks=tasks):
                self._pools = {task.name: task.options.pool for task in tasks}
                return message
            case _:
                return message

    def _credit(self) -> Credit:
        return Credit({pool: total + self._kept_back[pool] for pool, total in self._granted.items()})

    async def _succeeded(self, message: Succeeded) -> ToServer:
        try:
            return replace(message, outputs=await self._handover.outputs(message.outputs))
        except NotJsonError as error:
            return Failed(message.attempt, Failure(Code.PERMANENT, str(error)), artifacts=message.artifacts)


def _items(items: Sequence[bytes]) -> tuple[bytes, ...]:
    try:
        return tuple([item_of(each) for each in items])
    except NotJsonError as error:
        raise BadMessageError(str(error)) from None
