"""The other end of a WebSocket: a small server."""

import asyncio
from types import TracebackType
from typing import Self

import picows

from tidemill.adapters.system.ws_link import WsAddress, WsDialer, WsLink

SUBPROTOCOL = "tidemill.v1+msgpack"


class WsPeer:
    """Accepts links; or refuses each, when it has a refusal: a status and a body."""

    def __init__(self, refusal: tuple[int, bytes] | None = None, subprotocol: str = SUBPROTOCOL) -> None:
        self._refusal, self._subprotocol = refusal, subprotocol
        self._accepted: asyncio.Queue[WsLink] = asyncio.Queue()
        self._links: list[WsLink] = []
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self._server = await picows.ws_create_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links:
            await link.close()
        self._server.close()
        await self._server.wait_closed()

    def dialer(self, limit: int = 1 << 20) -> WsDialer:
        headers = {"Authorization": "Bearer abc"}
        return WsDialer(WsAddress(f"ws://127.0.0.1:{self.port}/worker/v1", SUBPROTOCOL, limit, headers, 5.0))

    async def accept(self) -> WsLink:
        return await self._accepted.get()

    def _answer(self, request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
        self.headers = dict(request.headers)
        if self._refusal is not None:
            status, body = self._refusal
            response = picows.WSUpgradeResponse.create_error_response(status, body)
            return picows.WSUpgradeResponseWithListener(response, None)
        link = WsLink()
        self._links.append(link)
        self._accepted.put_nowait(link)
        response = picows.WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": self._subprotocol})
        return picows.WSUpgradeResponseWithListener(response, link)
