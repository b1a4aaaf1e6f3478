"""The lists of a map: how long they are, and their elements in chunks where they do not lie apart already."""

from msgspec import Struct

from tidemill.core.chunks import NotAListError, TooLargeError, elements_of, encoding_after, pack
from tidemill.core.errors import InputError
from tidemill.core.graph import MapNode
from tidemill.core.ids import Path
from tidemill.core.plan import scope_path
from tidemill.core.resolve import Resolver
from tidemill.core.scopes import MapScope
from tidemill.core.values import (
    Blob,
    Element,
    Encoding,
    FieldPath,
    Fixed,
    Gathered,
    Inline,
    ListOf,
    Output,
    RecordOf,
    Source,
    Streamed,
)


class UnequalListsError(InputError):
    def __init__(self, lengths: dict[str, int]) -> None:
        text = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        super().__init__(f"map_over needs lists of one length, and got {text}")


class Lists(Struct, frozen=True):
    """What is known of a map's lists. ``fetch`` names those that the shell must read first."""

    lengths: dict[str, int]
    chunks: dict[str, tuple[bytes, ...]]  # of the parameters that were split here
    fetch: dict[str, Source]


def look_at_lists(resolver: Resolver, path: Path, node: MapNode) -> Lists:
    """Length and chunks of each list of the map at ``path``.

    Raises:
        InputError: what is there is no list.
    """
    lengths: dict[str, int] = {}
    chunks: dict[str, tuple[bytes, ...]] = {}
    fetch: dict[str, Source] = {}
    for param, expression in node.over.items():
        source = resolver.resolve(scope_path(path), expression)
        match source:
            case Gathered(length=length) if not resolver.skips(source):
                lengths[param] = length
            case ListOf(items=items):
                lengths[param] = len(items)
            case RecordOf():
                raise NotAListError("a record")
            case _:
                data = _data_of(resolver, source)
                split = _split(*data) if data is not None else None
                if split is None:
                    fetch[param] = source
                else:
                    lengths[param], chunks[param] = split
    return Lists(lengths, chunks, fetch)


def _split(data: bytes, encoding: Encoding, fields: FieldPath) -> tuple[int, tuple[bytes, ...]] | None:
    """Length and chunks; None when an element is so large that the shell must store it."""
    elements = elements_of(data, encoding, fields)
    try:
        return len(elements), tuple(pack(elements, encoding_after(encoding, fields)))
    except TooLargeError:
        return None


def _data_of(resolver: Resolver, source: Source) -> tuple[bytes, Encoding, FieldPath] | None:
    """The bytes of a list that lies in a row; None when the shell must read it."""
    match source:
        case Fixed(data=data, fields=fields):
            return data, Encoding.JSON, fields
        case Output(path=path, port=port, fields=fields):
            match resolver.draft.value(resolver.run, path, port):
                case Inline(data=data, encoding=encoding):
                    return data, encoding, fields
                case Blob() | Streamed():
                    return None
                case None:
                    raise NotAListError("nothing")
        case Element() | Gathered() | ListOf() | RecordOf():
            return None


def scope_of(run: bytes, path: Path, lengths: dict[str, int], split: tuple[str, ...]) -> MapScope:
    """The scope of a map whose lists are known. Raises UnequalListsError."""
    if len(set(lengths.values())) != 1:
        raise UnequalListsError(lengths)
    return MapScope(run, path, length=next(iter(lengths.values())), split=split)  # type: ignore[arg-type]
