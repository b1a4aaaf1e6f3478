"""The fake server: a socket for workers, and blobs over HTTP, on aiohttp, which the base install has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from tidemill.conformance.codec import CODECS
from tidemill.conformance.peer import Peer
from tidemill.core.ids import BadIdError, Digest, digest_of, digest_text, parse_digest
from tidemill.wire.api import BlobView
from tidemill.wire.worker import PATH

BLOB_LIMIT_BYTES = 64 * 1024 * 1024


class Desk:
    def __init__(self, within_s: float) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.read: set[Digest] = set()  # blobs that were asked for
        self.faults: dict[str, str] = {}
        self.url = ""
        self._within_s = within_s
        self._arrived: asyncio.Queue[Peer] = asyncio.Queue()

    async def arrival(self, within_s: float) -> Peer | None:
        """The next connection; None when there is none in time."""
        try:
            async with asyncio.timeout(within_s):
                return await self._arrived.get()
        except TimeoutError:
            return None

    @asynccontextmanager
    async def open(self, host: str, port: int) -> AsyncIterator[None]:
        app = web.Application(client_max_size=BLOB_LIMIT_BYTES)
        app.router.add_get(PATH, self._connect)
        app.router.add_get("/api/v1/blobs/{digest}", self._get)  # and HEAD
        app.router.add_put("/api/v1/blobs/{digest}", self._put)
        app.router.add_post("/api/v1/blobs", self._put)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            self.url = f"http://{host}:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        asked = [each.strip() for each in request.headers.get("sec-websocket-protocol", "").split(",")]
        subprotocol = next((each for each in asked if each in CODECS), None)
        if subprotocol is None:
            detail = f"ask for one of the sub-protocols {', '.join(CODECS)}"
            self.faults.setdefault("hello.subprotocol", f"the worker asked for {asked}: {detail}")
            return _problem(400, detail)
        peer = Peer(request, CODECS[subprotocol], self.faults, self._within_s)
        await peer.open()
        self._arrived.put_nowait(peer)
        return await peer.read()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        digest = _digest(request)
        data = self.blobs.get(digest) if digest is not None else None
        if digest is None or data is None:
            return _problem(404, "no such blob")
        if request.method == "GET":
            self.read.add(digest)
        return web.Response(body=data, content_type="application/octet-stream")

    async def _put(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/octet-stream":
            self.faults.setdefault("blob.type", f"a blob was sent as {request.content_type}: the server answers 415")
            return _problem(415, "send application/octet-stream")
        data = await request.read()
        digest = digest_of(data)
        if request.method == "PUT" and _digest(request) != digest:
            self.faults.setdefault("blob.digest", f"{request.path} was sent bytes of {digest_text(digest)}")
            return _problem(422, "the bytes are not those of the digest")
        self.blobs[digest] = data
        body = msgspec.json.encode(BlobView(digest_text(digest), len(data)))
        return web.Response(status=201, body=body, content_type="application/json")


def _digest(request: web.Request) -> Digest | None:
    try:
        return parse_digest(request.match_info["digest"])
    except (BadIdError, KeyError):
        return None


def _problem(status: int, detail: str) -> web.Response:
    body = {"type": "bad_request", "title": "Refused", "status": status, "detail": detail}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")
