"""A run that ended as one file, in a stream (wire/exports.py)."""

import hashlib
from collections.abc import AsyncIterator, Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import Digest, text_of
from tidemill.core.rows import Changes, Keys
from tidemill.core.run import Ended, Run
from tidemill.core.values import Encoding, refs_in
from tidemill.core.version import VERSION as OURS
from tidemill.engine.engine import Engine
from tidemill.ports.blobs import Blobs
from tidemill.ports.logs import Logs
from tidemill.server import parameters
from tidemill.server.archive import END, header, padding
from tidemill.server.problems import refuse
from tidemill.server.streaming import Streams
from tidemill.server.views import time_text
from tidemill.wire.exports import FORMAT, HEAD, TAIL, VERSION, LoggedLine, LogLines, RunHead, RunRows, RunTail

TAR = "application/x-tar"
ROWS = 300  # of one member
LINES = 1000

_json = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Exports:
    def __init__(self, engine: Engine, blobs: Blobs, logs: Logs, streams: Streams) -> None:
        self._engine, self._blobs, self._logs, self._streams = engine, blobs, logs, streams

    async def export(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._engine.queries)
        if not isinstance(run.state, Ended):
            raise refuse("not_possible", f"the run is {run.status}: it is exported when it has ended")
        name = f'attachment; filename="{text_of(run.id)}.tidemill"'
        file = _File(self._engine, self._blobs, self._logs)
        return self._streams.answer(file.write(run), TAR, {"content-disposition": name})


class _File:
    """One that is being written."""

    def __init__(self, engine: Engine, blobs: Blobs, logs: Logs) -> None:
        self._engine, self._blobs, self._logs = engine, blobs, logs
        self._blob_count = 0

    async def write(self, run: Run) -> AsyncIterator[bytes]:
        digests: dict[str, str] = {}
        async for name, data in self._members(run):
            if name == "":
                yield data  # a piece of a blob
                continue
            digests[name] = hashlib.sha256(data).hexdigest()
            yield header(name, len(data)) + data + padding(len(data))
        tail = _json(RunTail(digests, self._blob_count))
        yield header(TAIL, len(tail)) + tail + padding(len(tail)) + END

    async def _members(self, run: Run) -> AsyncIterator[tuple[str, bytes]]:
        """Each by name; a blob in pieces under no name."""
        times = (time_text(run.created_at), time_text(run.ended_at))
        yield HEAD, _json(RunHead(FORMAT, VERSION, text_of(run.id), run.workflow, run.status, *times, OURS))
        named: dict[Digest, None] = {}
        for graph in dict.fromkeys([run.graph, *([run.fork.graph] if run.fork else [])]):
            row = await self._engine.queries.graph(graph)
            if row is not None:
                yield f"graphs/{graph.hex()}.json", row.document
                named |= dict.fromkeys(Digest(each) for each in refs_in(row.document, Encoding.JSON))
        async for piece in self._of_blobs(run, named):
            yield "", piece
        async for number, part in _numbered(self._parts(run)):
            yield f"rows/{number:06}.msgpack", _pack(part)
        async for number, lines in _numbered(self._lines(run)):
            yield f"logs/{number:06}.msgpack", _pack(lines)

    async def _of_blobs(self, run: Run, of_graphs: Iterable[Digest]) -> AsyncIterator[bytes]:
        known = (await self._engine.queries.rows(Keys(blobs=list(of_graphs)))).blobs
        rest = {digest: size for digest, size in known.items() if size is not None}
        async for changes in self._changes(run):
            for digest, size in changes.blobs.items():
                rest.pop(digest, None)
                async for piece in self._blob(digest, size):
                    yield piece
            if not changes.blobs and not changes.runs:
                break  # they come first
        for digest, size in rest.items():
            async for piece in self._blob(digest, size):
                yield piece

    async def _blob(self, digest: Digest, size: int) -> AsyncIterator[bytes]:
        self._blob_count += 1
        yield header(f"blobs/{digest.hex()}", size)
        async for piece in self._blobs.read(digest):
            yield piece
        yield padding(size)

    async def _parts(self, run: Run) -> AsyncIterator[RunRows]:
        async for changes in self._changes(run):
            yield rows_of(changes)

    async def _changes(self, run: Run) -> AsyncIterator[Changes]:
        after: bytes | None = b""
        while after is not None:
            part = await self._engine.queries.part(run.id, after, ROWS)
            yield part.changes
            after = part.rest_after

    async def _lines(self, run: Run) -> AsyncIterator[LogLines]:
        after = 0
        while rows := await self._logs.read(run.id, None, after, LINES):
            yield LogLines(
                [LoggedLine(row.path, row.number, row.at, row.level, row.logger, row.text) for _, row in rows]
            )
            after = rows[-1][0]


async def _numbered(many: AsyncIterator[RunRows] | AsyncIterator[LogLines]) -> AsyncIterator[tuple[int, object]]:
    number = 0
    async for each in many:
        yield number, each
        number += 1


def rows_of(changes: Changes) -> RunRows:
    return RunRows(
        run=changes.runs,
        scopes=changes.scopes,
        steps=changes.steps,
        attempts=changes.attempts,
        values=[(path, port, value) for (_, path, port), value in changes.values.items()],
        chunks=[(path, param, number, data) for (_, path, param, number), data in changes.chunks.items()],
        streams=changes.streams,
        artifacts=changes.artifacts,
        emitted=changes.emitted,
        waits=changes.waits,
        mailboxes=changes.mailboxes,
        signals=changes.signals,
        attributes=changes.attributes,
        history=changes.history,
        posted=changes.posted,
        kept=changes.kept,
        shelves=changes.shelves,
        blobs=[digest for _, digest in changes.blob_refs],
    )
