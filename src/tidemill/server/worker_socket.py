"""The socket that workers connect to: a WebSocket as a Link."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tidemill.ports.link import Link, LinkDownError
from tidemill.server.bodies import answer_problem
from tidemill.server.problems import problem
from tidemill.wire.worker import FRAME_LIMIT_BYTES, JSON_SUBPROTOCOL, SUBPROTOCOL

Serve = Callable[[Link], Awaitable[None]]
Interpret = Callable[[Link], Link]

NORMAL, GOING_AWAY, WRONG_DATA, TOO_LARGE = 1000, 1001, 1003, 1009


class WorkerSocket:
    """The endpoint.

    Args:
        serve: speaks msgpack with one worker and returns when that is over.
        interpret: makes such a link of one to a worker that speaks JSON.
    """

    def __init__(self, serve: Serve, interpret: Interpret) -> None:
        self._serve, self._interpret = serve, interpret

    async def serve(self, socket: WebSocket) -> None:
        asked = socket.scope["subprotocols"]
        if SUBPROTOCOL in asked:
            await self._hold(socket, SUBPROTOCOL, SocketLink(socket))
        elif JSON_SUBPROTOCOL in asked:
            await self._hold(socket, JSON_SUBPROTOCOL, self._interpret(TextLink(socket)))
        else:
            await socket.send_denial_response(_refusal(asked))

    async def _hold(self, socket: WebSocket, subprotocol: str, link: Link) -> None:
        await socket.accept(subprotocol)
        try:
            await self._serve(link)
        finally:
            await link.close()


def _refusal(asked: list[str]) -> Response:
    said = f"not {', '.join(asked)[:200]}" if asked else "and the request names none"
    spoken = f"{SUBPROTOCOL} and {JSON_SUBPROTOCOL}"
    detail = f"this server speaks {spoken}, {said}: install the worker in the version of the server"
    return answer_problem(problem("bad_request", detail), {"sec-websocket-protocol": SUBPROTOCOL})


class SocketLink:
    """A WebSocket of binary frames, accepted before anything is said."""

    expected = "frames are binary"

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        await self._put({"type": "websocket.send", "bytes": frame})

    async def _put(self, message: Message) -> None:
        try:
            await self._socket.send(message)
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise LinkDownError(f"the worker is gone: {error!r}") from None

    async def receive(self) -> bytes:
        try:
            message = await self._socket.receive()
        except RuntimeError:
            raise LinkDownError("the worker is gone") from None
        if message["type"] == "websocket.disconnect":
            raise LinkDownError(f"the worker is gone: {message.get('code')} {message.get('reason') or ''}")
        frame = self._frame_of(message)
        if frame is None:
            raise await self._refused(WRONG_DATA, self.expected)
        if len(frame) > FRAME_LIMIT_BYTES:
            raise await self._refused(TOO_LARGE, f"a frame has at most {FRAME_LIMIT_BYTES} bytes")
        return frame

    def _frame_of(self, message: Message) -> bytes | None:
        frame: bytes | None = message.get("bytes")
        return frame

    async def _refused(self, code: int, reason: str) -> LinkDownError:
        await self._close(code, reason)
        return LinkDownError(reason)

    async def close(self) -> None:
        await self._close(NORMAL, "")

    async def _close(self, code: int, reason: str) -> None:
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            await self._socket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # it is closed already


class TextLink(SocketLink):
    """The same of text frames; they are bytes in UTF-8 on our side."""

    expected = "frames are texts"

    async def send(self, frame: bytes) -> None:
        await self._put({"type": "websocket.send", "text": frame.decode()})

    def _frame_of(self, message: Message) -> bytes | None:
        text: str | None = message.get("text")
        return None if text is None else text.encode()
