"""Values as their readers get them: whole documents, streamed, from rows, chunks, blobs and streams."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

import msgspec

from tidemill.core.catalog import Catalog
from tidemill.core.chunks import pick, plain
from tidemill.core.errors import InputError
from tidemill.core.fill import GATHER_AT_ONCE, Filler
from tidemill.core.graph import State, TaskNode
from tidemill.core.ids import Digest, Path
from tidemill.core.inputs import inputs_of
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.plan import NoSuchPathError, scope_path
from tidemill.core.resolve import Resolver, SkippedError
from tidemill.core.run import Run
from tidemill.core.run_rows import NotThereError
from tidemill.core.tables import GraphMissingError, RowsMissingError
from tidemill.core.terms import Input, Ref
from tidemill.core.values import (
    Argument,
    Blob,
    Encoding,
    FieldPath,
    Gathered,
    Given,
    GivenList,
    GivenRecord,
    Inline,
    Remote,
    Source,
    Streamed,
)
from tidemill.engine.graphs import Graphs
from tidemill.ports.blobs import Blobs
from tidemill.ports.store import Queries

T = TypeVar("T")
_pack = msgspec.msgpack.Encoder().encode
STREAM_ROWS = 100
ELEMENTS = 256
DECODED_LIMIT_BYTES = 256 * 1024 * 1024


class NoValueError(InputError):
    """The run has no such value, or not yet."""


class ValueTooLargeError(InputError):
    """A value that was asked for as a whole is larger than the asker takes."""


class Reader:
    """Reads committed rows only; nothing it does can hold up a beat for long."""

    def __init__(self, queries: Queries, blobs: Blobs, graphs: Graphs) -> None:
        self._queries, self._blobs, self._graphs = queries, blobs, graphs

    async def outputs(self, run: Run) -> dict[str, Argument]:
        """The outputs of a run that succeeded; long lists as `Remote`."""
        layout = await self._graphs.layout(run.graph)
        if layout is None:
            raise NoValueError("the run's graph is not in the store")
        sources = await self._ask(run, lambda resolver: resolver.outputs())
        filled = {}
        for port, expression in sources.items():
            argument = await self._ask(run, lambda r, e=expression: Filler(r).fill(r.resolve("", e)))  # type: ignore[misc]
            if argument is not None:
                filled[port] = argument
        return filled

    async def inputs(self, run: Run, path: Path) -> Mapping[str, Argument]:
        """The inputs of a task step, as a worker gets them. Raises InputError when a path leads nowhere."""

        def find(resolver: Resolver) -> Mapping[str, Argument]:
            node = resolver.layout.node(path)[2]
            return inputs_of(resolver, path, node) if isinstance(node, TaskNode) else {}

        return await self._ask(run, find)

    async def argument(self, run: Run, path: Path, port: str, fields: FieldPath = ()) -> Argument:
        """A step's output port (path "": an input of the run) as an argument."""
        source = await self._source(run, path, port, fields)
        filled = await self._ask(run, lambda resolver: Filler(resolver).fill(source))
        if filled is None:
            raise NoValueError(f"the run was not given {port!r}")
        return filled

    async def expression(self, run: Run, path: Path, expression: Input) -> Argument:
        """An expression of the graph that the step at ``path`` stands in."""
        source = await self._ask(run, lambda resolver: resolver.resolve(scope_path(path), expression))
        filled = await self._ask(run, lambda resolver: Filler(resolver).fill(source))
        return filled if filled is not None else Given(Inline(b"\xc0"))

    async def read(self, run: Run, path: Path, port: str, fields: FieldPath = ()) -> AsyncIterator[bytes]:
        """One msgpack document, in pieces."""
        source = await self._source(run, path, port, fields)
        async for piece in self.document(run, source):
            yield piece

    async def _source(self, run: Run, path: Path, port: str, fields: FieldPath) -> Source:
        def find(resolver: Resolver) -> Source:
            from_path = _ref_source(resolver, path, port)
            return resolver.narrow(from_path, fields)

        return await self._ask(run, find)

    async def document(self, run: Run, source: Source) -> AsyncIterator[bytes]:
        """A source as one msgpack document."""
        if isinstance(source, Gathered) and source.length > GATHER_AT_ONCE:
            async for piece in self._gathered(run, source):
                yield piece
            return
        argument = await self._ask(run, lambda resolver: Filler(resolver).fill(source))
        if argument is None:
            raise NoValueError("the run was not given this input")
        async for piece in self._argument(run, argument):
            yield piece

    async def _gathered(self, run: Run, source: Gathered) -> AsyncIterator[bytes]:
        kept = await self._ask(run, lambda resolver: resolver.kept(source))
        yield _array_header(len(kept))
        for start in range(0, len(kept), ELEMENTS):
            indexes = kept[start : start + ELEMENTS]
            sources = await self._ask(run, lambda r, many=indexes: [r.gathered(source, each) for each in many])  # type: ignore[misc]
            for each in sources:
                async for piece in self.document(run, each):
                    yield piece

    async def _argument(  # noqa: C901  # one match over a union
        self, run: Run, argument: Argument
    ) -> AsyncIterator[bytes]:
        match argument:
            case Given(value=Inline(data=data, encoding=Encoding.MSGPACK), fields=()):
                yield data
            case Given(value=Blob(digest=digest, encoding=Encoding.MSGPACK), fields=()):
                async for piece in self._blobs.read(Digest(digest)):
                    yield piece
            case Given(value=value, fields=fields):
                data = value.data if isinstance(value, Inline) else await self._whole_blob(value)
                yield _pack(pick(plain(data, value.encoding), fields))
            case GivenList(items=items):
                yield _array_header(len(items))
                for item in items:
                    async for piece in self._argument(run, item):
                        yield piece
            case GivenRecord(fields=parts):
                yield _map_header(len(parts))
                for name, part in parts.items():
                    yield _pack(name)
                    async for piece in self._argument(run, part):
                        yield piece
            case Remote(path=path, port=port, fields=fields):
                async for piece in self._remote(run, path, port, fields):
                    yield piece

    async def _whole_blob(self, blob: Blob) -> bytes:
        if blob.size > DECODED_LIMIT_BYTES:
            raise ValueTooLargeError(f"a value of {blob.size} bytes is too large to be looked into")
        return await self._blobs.fetch(Digest(blob.digest), blob.size)

    async def _remote(self, run: Run, path: Path, port: str, fields: FieldPath) -> AsyncIterator[bytes]:
        stored = (await self._queries.values(run.id, path)).get(port)
        if isinstance(stored, Streamed) and not fields:
            yield _array_header(stored.count)
            async for item in self._items(run, path, stored):
                yield item
        elif isinstance(stored, Streamed):
            items = [plain(item, Encoding.MSGPACK) async for item in self._items(run, path, stored)]
            yield _pack(pick(items, fields))
        elif isinstance(stored, Inline):
            async for piece in self._argument(run, Given(stored, fields)):
                yield piece
        else:
            async for piece in self.read(run, path, port, fields):
                yield piece

    async def _items(self, run: Run, path: Path, streamed: Streamed) -> AsyncIterator[bytes]:
        at = 0
        while at < streamed.count:
            rows = await self._queries.stream(run.id, path, streamed.number, at, STREAM_ROWS)
            if not rows:
                raise NoValueError(f"items from {at} of the stream {path!r} are not there")
            for row in rows:
                for item in row.items[at - row.first :]:
                    yield item
                at = row.first + len(row.items)

    async def decoded(self, run: Run, path: Path, port: str, limit_bytes: int) -> object:
        """A value as plain data. Raises ValueTooLargeError."""
        return plain(await self.whole(self.read(run, path, port), limit_bytes), Encoding.MSGPACK)

    @staticmethod
    async def whole(pieces: AsyncIterator[bytes], limit_bytes: int) -> bytes:
        data = bytearray()
        async for piece in pieces:
            data += piece
            if len(data) > limit_bytes:
                raise ValueTooLargeError(f"the value has more than {limit_bytes} bytes")
        return bytes(data)

    async def _ask(self, run: Run, question: Callable[[Resolver], T]) -> T:
        """Answer a question about a run's rows, loading what it looks at."""
        overlay = Overlay(0, bytes(16), Catalog(), self._graphs.layouts)
        layout = await self._graphs.layout(run.graph)
        if layout is None:
            raise NoValueError("the run's graph is not in the store")
        while True:
            try:
                return question(Resolver(Draft(overlay), run.id, layout))
            except RowsMissingError as missing:
                overlay.learn(await self._queries.rows(missing.keys))
            except (NotThereError, SkippedError) as error:
                raise NoValueError(str(error)) from None
            except GraphMissingError as missing:
                await self._graphs.layout(missing.digest)


def _ref_source(resolver: Resolver, path: Path, port: str) -> Source:
    if not path:
        return resolver.resolve("", Ref(port=port))
    if path.endswith("]"):  # an element of a map, a round of a loop
        outputs = resolver.layout.scope(path).body.graph.outputs
        if port not in outputs:
            raise NoSuchPathError(f"{path}:{port}")
        return resolver.resolve(path, outputs[port])
    _, name, node = resolver.layout.node(path)
    if isinstance(node, State):
        return _state_source(resolver, path, node, port)
    ports = node.outputs if isinstance(node, TaskNode) else None
    if ports is not None and port not in ports:
        raise NoSuchPathError(f"{path}:{port}")
    return resolver.resolve(scope_path(path), Ref(node=name, port=port))


def _state_source(resolver: Resolver, path: Path, state: State, port: str) -> Source:
    """An output of a visit, `check#2`, or of the latest that ended well, `check`."""
    if port not in state.body.outputs:
        raise NoSuchPathError(f"{path}:{port}")
    machine, name = scope_path(path), path.rpartition("/")[2]
    if "#" in name:
        return resolver.resolve(path, state.body.outputs[port])
    if resolver.machine_scope(machine).done.get(name) is None:
        raise NoValueError(f"no visit of {path!r} has ended well")
    return resolver.resolve(machine, Ref(node=name, port=port))


def _array_header(count: int) -> bytes:
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


def _map_header(count: int) -> bytes:
    if count < 16:
        return bytes([0x80 | count])
    return b"\xde" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdf" + count.to_bytes(4, "big")
