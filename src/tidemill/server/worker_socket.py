"""The socket that workers connect to: a WebSocket as a Link."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tidemill.ports.link import Link, LinkDownError
from tidemill.server.bodies import answer_problem
from tidemill.server.problems import problem
from tidemill.wire.worker import FRAME_LIMIT_BYTES, SUBPROTOCOL

Serve = Callable[[Link], Awaitable[None]]

NORMAL, GOING_AWAY, WRONG_DATA, TOO_LARGE = 1000, 1001, 1003, 1009


class WorkerSocket:
    """The endpoint. ``serve`` speaks with one worker and returns when that is over."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    async def serve(self, socket: WebSocket) -> None:
        if SUBPROTOCOL not in socket.scope["subprotocols"]:
            await socket.send_denial_response(_refusal(socket.scope["subprotocols"]))
            return
        await socket.accept(SUBPROTOCOL)
        link = SocketLink(socket)
        try:
            await self._serve(link)
        finally:
            await link.close()


def _refusal(asked: list[str]) -> Response:
    said = f"not {', '.join(asked)[:200]}" if asked else "and the request names none"
    detail = f"this server speaks {SUBPROTOCOL}, {said}: install the worker in the version of the server"
    return answer_problem(problem("bad_request", detail), {"sec-websocket-protocol": SUBPROTOCOL})


class SocketLink:
    """An accepted WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        try:
            await self._socket.send({"type": "websocket.send", "bytes": frame})
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise LinkDownError(f"the worker is gone: {error!r}") from None

    async def receive(self) -> bytes:
        try:
            message = await self._socket.receive()
        except RuntimeError:
            raise LinkDownError("the worker is gone") from None
        if message["type"] == "websocket.disconnect":
            raise LinkDownError(f"the worker is gone: {message.get('code')} {message.get('reason') or ''}")
        frame: bytes | None = message.get("bytes")
        if frame is None:
            raise await self._refused(WRONG_DATA, "frames are binary")
        if len(frame) > FRAME_LIMIT_BYTES:
            raise await self._refused(TOO_LARGE, f"a frame has at most {FRAME_LIMIT_BYTES} bytes")
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
