"""Bytes by digest: up once, down in ranges."""

import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import Digest, digest_text
from tidemill.core.rows import Artifact, Keys
from tidemill.engine.engine import Engine
from tidemill.ports.blobs import BlobDamagedError, Blobs
from tidemill.server import parameters
from tidemill.server.bodies import OCTETS, answer, limited, media_type
from tidemill.server.problems import refuse
from tidemill.server.streaming import Streams
from tidemill.wire.api import BlobView

# What a task made may be looked at, never trusted: no network, no frames, an origin of its own.
SANDBOX = "sandbox allow-scripts; default-src 'unsafe-inline' data: blob:; base-uri 'none'; form-action 'none'"
FOREVER = "private, max-age=31536000, immutable"  # a digest never means other bytes
SHOWN = ("text/", "image/", "audio/", "video/", "application/pdf", "application/json")  # others are saved


class BlobRoutes:
    """``limit``: bytes of one upload."""

    def __init__(self, engine: Engine, blobs: Blobs, streams: Streams, limit: int) -> None:
        self._engine, self._blobs, self._streams, self._limit = engine, blobs, streams, limit

    async def put(self, request: Request) -> Response:
        return await self._write(request, parameters.digest(request, "bad_request"))

    async def post(self, request: Request) -> Response:
        """Bytes whose digest the sender does not know."""
        return await self._write(request, None)

    async def _write(self, request: Request, digest: Digest | None) -> Response:
        if media_type(request) != OCTETS:
            raise refuse("unsupported_media_type", f"send {OCTETS}")
        try:
            digest, size = await self._blobs.write(limited(request, self._limit), digest, self._limit)
        except BlobDamagedError as error:
            raise refuse("damaged", str(error)) from None
        await self._engine.blob_stored(digest, size)
        return answer(request, BlobView(digest_text(digest), size), 201)

    async def head(self, request: Request) -> Response:
        size = await self._size(parameters.digest(request, "unknown_blob"))
        headers = {"content-length": str(size), "accept-ranges": "bytes", "content-type": OCTETS}
        return Response(status_code=200, headers=headers)

    async def get(self, request: Request) -> Response:
        digest = parameters.digest(request, "unknown_blob")
        return await self._send(request, digest, {"content-type": OCTETS, "content-security-policy": SANDBOX})

    async def artifact(self, request: Request) -> Response:
        """A file of a run by name; ?step= tells two of one name apart."""
        run = await parameters.known_run(request, self._engine.queries)
        name, step = request.path_params["name"], request.query_params.get("step")
        found = [each for each in await self._engine.queries.artifacts(run.id) if each.name == name]
        found = [each for each in found if step is None or each.path == step]
        if not found:
            raise refuse("unknown_artifact", f"this run has no artifact {name[:200]!r}")
        if len(found) > 1:
            raise refuse("ambiguous", "say ?step= with one of " + ", ".join(each.path for each in found[:20]))
        return await self._send(request, found[0].digest, _shown(found[0]))

    async def _send(self, request: Request, digest: Digest, headers: dict[str, str]) -> Response:
        size = await self._size(digest)
        tag = f'"{digest_text(digest)}"'
        headers = {**headers, "etag": tag, "accept-ranges": "bytes", "cache-control": FOREVER}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        wanted = _range(request, tag, size)
        start, end = wanted or (0, size)
        headers["content-length"] = str(end - start)
        if wanted:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        chunks = await _begun(self._blobs.read(digest, start, end))
        return self._streams.answer(chunks, headers["content-type"], headers, 206 if wanted else 200)

    async def _size(self, digest: Digest) -> int:
        """Of a blob that both the store and the storage know."""
        named = (await self._engine.queries.rows(Keys(blobs=[digest]))).blobs.get(digest)
        size = None if named is None else await self._blobs.size(digest)
        if size is None:
            raise refuse("unknown_blob", f"no blob {digest_text(digest)}")
        return size


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What is missing or damaged from the first byte on is said instead of an answer."""
    first = await anext(chunks, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_it()


def _range(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """First and last (exclusive) byte that were asked for; None for all. Several ranges at once count as all."""
    asked = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("range", "").replace(" ", ""))
    if not asked or asked.group(0) == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return None
    first, last = asked.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or end <= start:
        raise refuse("bad_range", f"there are {size} bytes", {"content-range": f"bytes */{size}"})
    return start, end


def _shown(artifact: Artifact) -> dict[str, str]:
    kind = artifact.media_type or OCTETS
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind):
        kind = OCTETS
    file_name = re.sub(r"[^\w. -]", "_", artifact.name.rpartition("/")[2], flags=re.ASCII) or "file"
    place = "inline" if kind.startswith(SHOWN) else "attachment"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return {
        "content-type": kind,
        "content-disposition": f'{place}; filename="{file_name}"',
        "content-security-policy": SANDBOX,
    }
