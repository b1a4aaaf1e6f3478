"""Sources with their values filled in: what an assignment or a result carries."""

from collections.abc import Iterator

from tidemill.core.chunks import pick, plain, unpack
from tidemill.core.conditions import look_through
from tidemill.core.errors import InternalError
from tidemill.core.ids import Path
from tidemill.core.resolve import Resolver
from tidemill.core.run_rows import NotThereError
from tidemill.core.terms import Calc, Input, Operand, Size, StatusOf
from tidemill.core.values import (
    CHUNK_ELEMENTS,
    Argument,
    Blob,
    Element,
    Encoding,
    Fixed,
    Gathered,
    Given,
    GivenList,
    GivenRecord,
    Inline,
    ListOf,
    Output,
    RecordOf,
    Remote,
    Source,
    Streamed,
    refs_in,
)

GATHER_AT_ONCE = 64  # a longer list is read by who needs it, from the server
ARGUMENT_BYTES = 64 * 1024  # of one assignment


class LargeOperandError(InternalError):
    """A condition looks into a value that does not lie in a row. Never leaves `decide`."""

    def __init__(self, path: Path, port: str) -> None:
        super().__init__(f"{port!r} of {path!r} must be fetched")
        self.path, self.port = path, port


class Filler:
    """Fills sources of one run; past ``ARGUMENT_BYTES`` in all, what can be read elsewhere is left there."""

    __slots__ = ("fetched", "left", "resolver")

    def __init__(self, resolver: Resolver, fetched: dict[tuple[Path, str], Inline] | None = None) -> None:
        self.resolver = resolver
        self.left = ARGUMENT_BYTES
        self.fetched = fetched or {}

    def fill(self, source: Source) -> Argument | None:
        """None: an input of the run that was not given."""
        match source:
            case Output():
                return self._output(source)
            case Element():
                return Given(self._take(self.element(source)), source.fields)
            case Fixed(data=data, fields=fields):
                return Given(self._take(Inline(data, Encoding.JSON)), fields)
            case Gathered():
                return self._gathered(source)
            case ListOf(items=items):
                return GivenList(tuple(self._there(item) for item in items))
            case RecordOf(fields=parts):
                return GivenRecord({name: self._there(part) for name, part in parts.items()})

    def _there(self, source: Source) -> Argument:
        filled = self.fill(source)
        return Given(Inline(b"\xc0")) if filled is None else filled

    def _output(self, source: Output) -> Argument | None:
        value = self.resolver.draft.value(self.resolver.run, source.path, source.port)
        match value:
            case None if source.path:
                raise NotThereError(f"{source.port!r} of {source.path!r} has no value")
            case None:
                return None
            case Streamed():
                return Remote(source.path, source.port, source.fields)
            case Inline(data=data) if len(data) > self.left:
                return Remote(source.path, source.port, source.fields)
            case Inline() | Blob():
                return Given(self._take(value), source.fields)

    def _take(self, value: Inline | Blob) -> Inline | Blob:
        if isinstance(value, Inline):
            self.left -= len(value.data)
        return value

    def element(self, source: Element) -> Inline | Blob:
        number, offset = divmod(source.index, CHUNK_ELEMENTS)
        key = (self.resolver.run, source.path, source.param, number)
        decoded = self.resolver.draft.over.decoded
        chunk = decoded.get(key)
        if chunk is None:
            data = self.resolver.draft.chunk(key)
            if data is None:
                raise NotThereError(f"chunk {number} of {source.param!r} at {source.path!r} is not there")
            chunk = decoded[key] = unpack(data)
        element = chunk[offset]
        if isinstance(element, Inline) and (refs := refs_in(element.data, element.encoding)):
            return Inline(element.data, element.encoding, refs)
        return element

    def _gathered(self, source: Gathered) -> Argument:
        if source.length > GATHER_AT_ONCE or self.left <= 0:
            return Remote(source.path, source.port, source.fields)
        resolver = self.resolver
        return GivenList(tuple(self._there(resolver.gathered(source, index)) for index in resolver.kept(source)))

    # Conditions ------------------------------------------------------------------------------------

    def look(self, scope: Path, operand: Operand) -> object:
        """The plain value of an operand. Raises LargeOperandError, or InputError or TypeError for one of no use."""
        match operand:
            case Size(of=of):
                return self._size(scope, of)
            case StatusOf(of=node):
                return self.resolver.status(scope, node)
            case Calc():
                return look_through(operand, lambda inner: self.look(scope, inner))
            case _:
                return self.plain(self.resolver.resolve(scope, operand))

    def _size(self, scope: Path, of: Input) -> int:
        source = self.resolver.resolve(scope, of)
        if isinstance(source, Gathered):
            skipped = self.resolver.map_scope(source.path).failed if self.resolver.skips(source) else 0
            return source.length - skipped
        if isinstance(source, Output) and not source.fields:
            value = self.resolver.draft.value(self.resolver.run, source.path, source.port)
            if isinstance(value, Streamed):
                return value.count
        value_ = self.plain(source)
        if isinstance(value_, (list, str, dict)):
            return len(value_)
        raise TypeError(f"{type(value_).__name__} has no size")

    def plain(self, source: Source) -> object:
        """Decode a source without a type."""
        match source:
            case Output(path=path, port=port, fields=fields):
                value = self.resolver.draft.value(self.resolver.run, path, port)
                return pick(self._plain_value(path, port, value), fields)
            case Element(fields=fields):
                element = self.element(source)
                if isinstance(element, Blob):
                    raise TypeError("an element of a list is too large to be judged")
                return pick(plain(element.data, element.encoding), fields)
            case Fixed(data=data, fields=fields):
                return pick(plain(data, Encoding.JSON), fields)
            case ListOf(items=items):
                return [self.plain(item) for item in items]
            case RecordOf(fields=parts):
                return {name: self.plain(part) for name, part in parts.items()}
            case Gathered():
                return [self.plain(self.resolver.gathered(source, index)) for index in self.resolver.kept(source)]

    def large_in(self, scope: Path, operand: Operand) -> Iterator[tuple[Path, str]]:
        """The places of an operand's values that do not lie in a row."""
        if isinstance(operand, Calc):
            yield from self.large_in(scope, operand.left)
            yield from self.large_in(scope, operand.right)
            return
        if isinstance(operand, StatusOf):
            return
        size = isinstance(operand, Size)
        source = self.resolver.resolve(scope, operand.of if isinstance(operand, Size) else operand)
        if size and isinstance(source, Gathered):
            return
        yield from self._large(source, Blob if size else (Blob, Streamed))

    def _large(  # noqa: C901  # one match over a union
        self, source: Source, kinds: type | tuple[type, ...]
    ) -> Iterator[tuple[Path, str]]:
        match source:
            case Output(path=path, port=port, fields=fields):
                value = self.resolver.draft.value(self.resolver.run, path, port)
                if isinstance(value, (Blob, Streamed) if fields else kinds):
                    yield path, port
            case ListOf(items=items):
                for item in items:
                    yield from self._large(item, (Blob, Streamed))
            case RecordOf(fields=parts):
                for part in parts.values():
                    yield from self._large(part, (Blob, Streamed))
            case Gathered():
                for index in self.resolver.kept(source):
                    yield from self._large(self.resolver.gathered(source, index), (Blob, Streamed))
            case Element() | Fixed():
                return

    def _plain_value(self, path: Path, port: str, value: object) -> object:
        if isinstance(value, (Blob, Streamed)):
            fetched = self.fetched.get((path, port))
            if fetched is None:
                raise LargeOperandError(path, port)
            value = fetched
        return None if value is None else plain(value.data, value.encoding)  # type: ignore[attr-defined]
