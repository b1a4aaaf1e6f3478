"""Links over WebSocket: binary frames, no thread, no task of its own (picows calls us from the socket's callback)."""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any

import picows
from msgspec import Struct, field

from tidemill.ports.link import LinkDownError, LinkRefusedError

_UNREAD_FRAMES = 256  # more are left in the socket, so that the peer feels it
_PASSING = {408, 425, 429}  # refusals that waiting cures; the rest of 4xx it does not
_REASON_CHARS = 500


class WsAddress(Struct, frozen=True):
    """Where to connect, and what to say there. ``limit`` is the largest frame that is taken, in bytes."""

    url: str
    subprotocol: str
    limit: int
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 10.0


class WsDialer:
    """Of several addresses the next one is tried when one cannot be reached; who answered last is asked first."""

    def __init__(self, *addresses: WsAddress) -> None:
        self._addresses = deque(addresses)

    async def dial(self) -> "WsLink":
        for _ in range(len(self._addresses) - 1):
            try:
                return await self._dial(self._addresses[0])
            except LinkDownError:
                self._addresses.rotate(-1)
        try:
            return await self._dial(self._addresses[0])
        except LinkDownError:
            self._addresses.rotate(-1)
            raise

    async def _dial(self, address: WsAddress) -> "WsLink":
        link = WsLink()
        headers = {**address.headers, "Sec-WebSocket-Protocol": address.subprotocol}
        try:
            async with asyncio.timeout(address.timeout_s):
                await picows.ws_connect(
                    lambda: link,
                    address.url,
                    max_frame_size=address.limit,
                    extra_headers=headers,
                    max_redirects=0,  # the headers hold a token: they go nowhere else
                )
        except picows.WSInvalidURL as error:
            raise LinkRefusedError(str(error)) from error
        except ssl.SSLCertVerificationError as error:
            raise LinkRefusedError(f"the certificate of {address.url} does not hold: {error.verify_message}") from error
        except picows.WSHandshakeError as error:
            raise _refusal(address.url, error) from error
        except (OSError, picows.WSError) as error:  # a timeout is an OSError
            raise LinkDownError(f"cannot reach {address.url}: {str(error) or 'no answer in time'}") from error
        if not link.is_connected:  # as a proxy does whose server is away
            raise LinkDownError(f"cannot reach {address.url}: the connection broke before it was one")
        if link.subprotocol != address.subprotocol:
            await link.close()
            raise LinkRefusedError(f"{address.url} does not speak {address.subprotocol}")
        return link


class WsLink(picows.WSListener):
    """One reader and any number of senders."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._transport: picows.WSTransport | None = None
        self._ended: str | None = None
        self._reader: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._is_paused = False

    @property
    def is_connected(self) -> bool:
        """Whether it ever was: a connection that breaks in the handshake raises nothing."""
        return self._transport is not None

    @property
    def subprotocol(self) -> str | None:
        if self._transport is None:
            return None
        headers: Mapping[str, str] = self._transport.response.headers
        return headers.get("Sec-WebSocket-Protocol")

    async def send(self, frame: bytes) -> None:
        while not self._room.is_set():
            await self._room.wait()
        if self._transport is None or self._ended is not None:
            raise LinkDownError(self._ended or "the link is not open")
        self._transport.send(picows.WSMsgType.BINARY, frame)

    async def receive(self) -> bytes:
        while not self._frames:
            if self._ended is not None:
                raise LinkDownError(self._ended)
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if self._is_paused and len(self._frames) <= _UNREAD_FRAMES // 2:
            self._resume()
        return self._frames.popleft()

    async def close(self) -> None:
        if self._transport is not None and self._ended is None:
            self._end("we closed the link")
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    # What picows calls ---------------------------------------------------------------------------

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        match frame.msg_type:
            case picows.WSMsgType.BINARY | picows.WSMsgType.CONTINUATION:
                self._take(frame)
            case picows.WSMsgType.CLOSE:
                self._end(f"the peer closed the link ({frame.get_close_code()}: {frame.get_close_reason()})")
                transport.disconnect()
            case _:
                pass

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._end("the connection broke")

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def _take(self, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if not frame.fin:
            self._parts.append(payload)
            return
        if self._parts:
            payload = b"".join([*self._parts, payload])
            self._parts.clear()
        self._frames.append(payload)
        if len(self._frames) >= _UNREAD_FRAMES and not self._is_paused:
            self._pause()
        self._wake()

    def _pause(self) -> None:
        self._is_paused = True
        if self._transport is not None:
            _reading(self._transport).pause_reading()

    def _resume(self) -> None:
        self._is_paused = False
        if self._transport is not None and self._ended is None:
            _reading(self._transport).resume_reading()

    def _end(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
            self._room.set()
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _reading(transport: picows.WSTransport) -> Any:
    return transport.underlying_transport


def _refusal(url: str, error: picows.WSHandshakeError) -> LinkDownError | LinkRefusedError:
    if error.response is None:
        return LinkDownError(f"{url} did not answer as a WebSocket server: {error}")
    status = int(error.response.status)
    text = f"{url} answered {status}: {_reason(error.raw_body or b'')}"
    if 400 <= status < 500 and status not in _PASSING:
        return LinkRefusedError(text)
    return LinkDownError(text, retry_after_s=_retry_after(error.response.headers))


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds; a date, which hardly anybody sends, counts as none."""
    value = headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() else 0.0


def _reason(body: bytes) -> str:
    """The detail of a problem+json, or else the text itself."""
    text = body.decode("utf-8", "replace").strip()
    try:
        problem = json.loads(text)
    except ValueError:
        return text[:_REASON_CHARS]
    known = problem if isinstance(problem, dict) else {}
    return str(known.get("detail") or known.get("title") or text)[:_REASON_CHARS]
