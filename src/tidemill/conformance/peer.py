"""One connection of the worker under test: what it says is read, kept and looked at; what it is told is chosen."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from tidemill.conformance.codec import Codec
from tidemill.conformance.verdict import WrongError
from tidemill.wire import worker as wire

M = TypeVar("M")
SHOWN_CHARS = 400
KEPT_FRAMES = 30
MOST_FRAME_BYTES = 4 * wire.FRAME_LIMIT_BYTES  # a frame that is too large is told, not cut off


class Peer:
    """``faults`` collects what is wrong whatever is being checked, by the id of the check that tells it."""

    def __init__(self, request: web.Request, codec: Codec, faults: dict[str, str], within_s: float) -> None:
        self.codec, self._request, self._faults, self.within_s = codec, request, faults, within_s
        self._socket = web.WebSocketResponse(
            protocols=[codec.subprotocol], max_msg_size=MOST_FRAME_BYTES, compress=False
        )
        self.frames: deque[str] = deque(maxlen=KEPT_FRAMES)
        self.heard: list[Any] = []
        self.granted: dict[str, int] = {}
        self.sent = 0  # assignments
        self.is_open = True
        self._started: Counter[wire.AttemptRef] = Counter()
        self._unread: deque[Any] = deque()
        self._changed = asyncio.Event()
        self._over = asyncio.Event()

    # What the worker says --------------------------------------------------------------------------

    async def open(self) -> None:
        await self._socket.prepare(self._request)

    async def read(self) -> web.WebSocketResponse:
        """Until the connection ends."""
        try:
            async for message in self._socket:
                data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                self._take(data, is_text=message.type is WSMsgType.TEXT)
        finally:
            self.is_open = False
            self._changed.set()
            self._over.set()
        return self._socket

    def _take(self, data: bytes, *, is_text: bool) -> None:
        self.frames.append(f"< {self.codec.shown(data)[:SHOWN_CHARS]}")
        if is_text is not self.codec.is_text:
            kind = "texts" if self.codec.is_text else "binary"
            self._faults.setdefault("frames.kind", f"frames of {self.codec.subprotocol} are {kind}")
        if len(data) > wire.FRAME_LIMIT_BYTES:
            self._faults.setdefault("frames.size", f"a frame has {len(data):,} bytes")
        try:
            messages = self.codec.decode(data)
        except wire.BadMessageError as error:
            self._faults.setdefault("frames.valid", f"{error}: {self.frames[-1]}")
            return
        for message in messages:
            self._look(message)
        self.heard += messages
        self._unread += messages
        self._changed.set()

    def _look(self, message: Any) -> None:
        match message:
            case wire.Credit(granted=granted):
                self.granted = granted
            case wire.Started(attempt=ref):
                self._started[ref] += 1
                if self._started[ref] > 1:
                    self._faults.setdefault("attempt.once", f"attempt {shown(ref)} was started twice on one connection")
            case _:
                pass

    async def hear(self, kind: type[M], where: Callable[[M], bool] = lambda _: True, within_s: float = 0) -> M:
        """The next message of a kind; others are passed over. Raises WrongError when it does not come."""
        try:
            async with asyncio.timeout(within_s or self.within_s):
                while True:
                    while self._unread:
                        message = self._unread.popleft()
                        if isinstance(message, kind) and where(message):
                            return message
                    await self._change()
        except TimeoutError:
            raise WrongError(f"no {_tag(kind)} came within {within_s or self.within_s:g} s") from None

    async def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Raises WrongError when it does not become so."""
        try:
            async with asyncio.timeout(self.within_s):
                while not holds():
                    await self._change()
        except TimeoutError:
            raise WrongError(f"{otherwise} within {self.within_s:g} s") from None

    async def _change(self) -> None:
        if not self.is_open:
            raise WrongError("the worker closed the connection")
        self._changed.clear()
        await self._changed.wait()

    async def said(self) -> list[Any]:
        """What comes until the worker has answered a ping."""
        before = len(self.heard)
        await self.say(wire.Ping())
        await self.hear(wire.Heartbeat)
        return self.heard[before:]

    # What it is told -------------------------------------------------------------------------------

    async def say(self, *messages: Any) -> None:
        await self.say_frame(self.codec.encode(list(messages)))

    async def say_frame(self, frame: bytes) -> None:
        self.frames.append(f"> {self.codec.shown(frame)[:SHOWN_CHARS]}")
        try:
            if self.codec.is_text:
                await self._socket.send_str(frame.decode())
            else:
                await self._socket.send_bytes(frame)
        except (ConnectionError, RuntimeError):
            raise WrongError("the worker closed the connection") from None

    async def cut(self) -> None:
        """Without a word, as a network does."""
        self.frames.append("> (the connection is cut)")
        if self._request.transport is not None:
            self._request.transport.abort()
        await self._over.wait()

    async def ended(self, within_s: float) -> bool:
        """Whether the worker ends the connection by itself."""
        try:
            async with asyncio.timeout(within_s):
                await self._over.wait()
                return True
        except TimeoutError:
            return False


def shown(ref: wire.AttemptRef) -> str:
    return f"{ref.path} number {ref.number}"


def _tag(kind: Any) -> str:
    kinds = getattr(kind, "__args__", (kind,))
    return " or ".join(str(each.__struct_config__.tag) for each in kinds)
