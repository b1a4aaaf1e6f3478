"""A run that was exported, taken in: finished evidence, which is read and forked, and never executed.

Its rows are hidden until the last one is there and every check has passed. What breaks off, or is refused half-way, is
removed as any run is; a server that dies in the middle leaves a hidden run that goes a day later.
"""

import hashlib
import re

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.documents import DocumentError
from tidemill.core.ids import BadIdError, Digest, RunId, parse_run_id, text_of
from tidemill.core.rows import Changes, GraphRow, Keys
from tidemill.core.run import Ended, Hidden, Run
from tidemill.core.wait_rows import Closed, Outcome
from tidemill.engine.engine import Engine
from tidemill.engine.publishing import row_of
from tidemill.ports.blobs import BlobDamagedError, Blobs
from tidemill.ports.logs import LogRow, Logs
from tidemill.ports.store import BlobGoneError
from tidemill.server.archive import BadArchiveError, Member, Reader
from tidemill.server.bodies import OCTETS, answer, limited, media_type
from tidemill.server.problems import refuse
from tidemill.wire.exports import FORMAT, HEAD, TAIL, VERSION, Imported, LogLines, RunHead, RunRows, RunTail, run_of

MEMBER_LIMIT = 64 * 1024 * 1024
FILE_LIMIT = 1 << 50  # no bound but the disk
LONG_AGO = 1  # when graphs of imported runs were made: no name means them while another has it

_head = msgspec.json.Decoder(RunHead).decode
_tail = msgspec.json.Decoder(RunTail).decode
_rows = msgspec.msgpack.Decoder(RunRows).decode
_lines = msgspec.msgpack.Decoder(LogLines).decode
_KINDS = re.compile(
    r"(?:(graphs)/([0-9a-f]{64})\.json|(blobs)/([0-9a-f]{64})|(rows|logs)/([0-9]{6,12})\.msgpack|(end)\.json)"
)


class Imports:
    def __init__(self, engine: Engine, blobs: Blobs, logs: Logs, blob_limit: int) -> None:
        self._engine, self._blobs, self._logs, self._blob_limit = engine, blobs, logs, blob_limit

    async def take(self, request: Request) -> Response:
        if media_type(request) != OCTETS:
            raise refuse("unsupported_media_type", f"send {OCTETS}")
        importing = _Importing(self._engine, self._blobs, self._logs, self._blob_limit)
        try:
            found = await importing.take(Reader(limited(request, FILE_LIMIT)))
        except (BadArchiveError, BlobDamagedError, msgspec.MsgspecError, DocumentError, BlobGoneError) as error:
            await importing.give_up()
            raise refuse("damaged", f"the file is not taken: {error}") from None
        except BaseException:
            await importing.give_up()
            raise
        return answer(request, found, 201)


class _Importing:
    """One file."""

    def __init__(self, engine: Engine, blobs: Blobs, logs: Logs, blob_limit: int) -> None:
        self._engine, self._blobs, self._logs, self._blob_limit = engine, blobs, logs, blob_limit
        self._digests: dict[str, str] = {}
        self._blob_count = self._row_count = 0
        self._graphs: list[GraphRow] = []
        self._run: RunId = RunId(b"")
        self._hidden: Run | None = None  # the row that is there while rows come

    async def take(self, reader: Reader) -> Imported:
        """Raises RequestError, BadArchiveError, msgspec.MsgspecError, DocumentError."""
        member = await reader.next()
        if member is None or member.name != HEAD:
            raise BadArchiveError("it does not begin as the file of a run does")
        head = _head(await self._whole(reader, member))
        await self._check_head(head)
        while (member := await reader.next()) is not None:
            if await self._member(reader, member):
                return await self._end(head)
        raise BadArchiveError("it has no end: it is half a file")

    async def _check_head(self, head: RunHead) -> None:
        if head.format != FORMAT:
            raise BadArchiveError(f"it is a {head.format[:50]!r}, not a {FORMAT}")
        if head.version > VERSION:
            told = f"it is of version {head.version}, written by Tidemill {head.tidemill[:50]}; this server reads up to"
            raise refuse("not_possible", f"{told} {VERSION}: import it into a newer one")
        try:
            self._run = parse_run_id(head.run)
        except BadIdError as error:
            raise BadArchiveError(str(error)) from None
        known = (await self._engine.queries.rows(Keys(runs=[self._run]))).runs[self._run]
        if known is not None:
            how = "is being removed" if known.hidden is Hidden.REMOVING else "is here already"
            raise refuse("conflict", f"run {head.run} {how}")

    async def _member(self, reader: Reader, member: Member) -> bool:
        """Take one in; whether it was the last."""
        kind = _KINDS.fullmatch(member.name)
        if kind is None:
            raise BadArchiveError(f"{member.name[:100]!r} does not belong there")
        if kind[3]:
            await self._blob(reader, member, bytes.fromhex(kind[4]))
            return False
        data = await self._whole(reader, member)
        if kind[1]:
            await self._graph(data, bytes.fromhex(kind[2]))
        elif kind[5] == "rows":
            await self._take_rows(_rows(data))
        elif kind[5] == "logs":
            await self._take_lines(_lines(data))
        else:
            self._check_tail(_tail(data))
            return True
        return False

    async def _whole(self, reader: Reader, member: Member) -> bytes:
        data = await reader.whole(member, MEMBER_LIMIT)
        if member.name != TAIL:
            self._digests[member.name] = hashlib.sha256(data).hexdigest()
        return data

    async def _blob(self, reader: Reader, member: Member, digest: bytes) -> None:
        if member.size > self._blob_limit:
            raise BadArchiveError(f"the blob {digest.hex()} has more than {self._blob_limit:,} bytes")
        found, size = await self._blobs.write(reader.pieces(member), Digest(digest), self._blob_limit)
        await self._engine.blob_stored(found, size)
        self._blob_count += 1

    async def _graph(self, document: bytes, digest: bytes) -> None:
        row, workflow = row_of(document, LONG_AGO)
        if row.digest != digest:
            raise BadArchiveError(f"the graph {digest.hex()} has another digest")
        self._graphs.append(row)
        if await self._engine.queries.graph(row.digest) is None:
            await self._engine.record(Changes(graphs=[row]))
            self._engine.graphs.look_at(row.digest, workflow)

    async def _take_rows(self, rows: RunRows) -> None:
        if not run_of(rows, self._run):
            raise BadArchiveError("it has rows of another run")
        if self._hidden is None:
            if len(rows.run) != 1 or not isinstance(rows.run[0].state, Ended) or rows.run[0].ended_at is None:
                raise BadArchiveError("its first rows are not those of a run that ended")
            self._hidden = replace(
                rows.run[0], keys=(), live=0, hidden=Hidden.IMPORTING, hidden_at=self._engine.clock.now()
            )
        elif rows.run:
            raise BadArchiveError("it has the run twice")
        changes = changes_of(self._run, rows, self._engine.clock.now())
        changes.runs = [self._hidden]
        self._row_count += sum(len(getattr(rows, name)) for name in RunRows.__struct_fields__)
        await self._engine.record(changes)

    async def _take_lines(self, given: LogLines) -> None:
        if given.lines:
            await self._logs.append([LogRow(self._run, *msgspec.structs.astuple(line)) for line in given.lines])

    def _check_tail(self, tail: RunTail) -> None:
        if tail.members != self._digests or tail.blobs != self._blob_count:
            raise BadArchiveError("its end tells of other members than came: it is damaged")

    async def _end(self, head: RunHead) -> Imported:
        if self._hidden is None:
            raise BadArchiveError("it has no rows")
        for graph in self._graphs:
            await self._engine.name_files(graph)
        run = replace(self._hidden, hidden=None, hidden_at=self._engine.clock.now())  # its age counts from now on
        await self._engine.record(Changes(runs=[run], tagged={run.id: run.tags}))
        self._hidden = None
        return Imported(text_of(run.id), run.workflow, run.status, self._row_count, self._blob_count)

    async def give_up(self) -> None:
        """What came of it goes."""
        if self._hidden is not None:
            await self._engine.record(Changes(runs=[replace(self._hidden, hidden=Hidden.REMOVING)], tagged={}))
            self._engine.hidden.set()
            self._hidden = None


def changes_of(run: RunId, rows: RunRows, at: int) -> Changes:
    """Rows as they are recorded here: nothing of them waits, or is held by anybody."""
    if any(each.is_live for each in rows.attempts):
        raise BadArchiveError("it has an attempt that has not ended")
    closed = Closed(Outcome.STOPPED, at)
    return Changes(
        scopes=rows.scopes,
        steps=rows.steps,
        attempts=rows.attempts,
        values={(run, path, port): value for path, port, value in rows.values},
        chunks={(run, path, param, number): data for path, param, number, data in rows.chunks},
        streams=rows.streams,
        artifacts=rows.artifacts,
        emitted=rows.emitted,
        waits=[each if each.closed is not None else replace(each, closed=closed) for each in rows.waits],
        mailboxes=rows.mailboxes,
        signals=rows.signals,
        attributes=rows.attributes,
        history=rows.history,
        posted=rows.posted,
        kept=rows.kept,
        shelves=rows.shelves,
        blob_refs=[(run, digest) for digest in rows.blobs],
    )
