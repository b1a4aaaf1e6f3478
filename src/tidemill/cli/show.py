"""Values, times and counts as text for people. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tidemill.sdk.directory import Directory
from tidemill.sdk.file import File, stored

TEXT_LIMIT = 2000
MOST_ITEMS = 50


def files_in(value: Any, path: str = "") -> Iterator[tuple[str, File]]:
    """Each File inside a value, with the way to it: ``page``, ``cards[3].thumbnail``."""
    if isinstance(value, File):
        yield path, value
        return
    if isinstance(value, Directory):
        for below, file in value.files.items():
            name_of_file = f"{value.name}/{below}" if value.name else below
            yield f"{path}/{below}" if path else below, stored(digest=file.digest, size=file.size, name=name_of_file)
        return
    for name, part in parts_of(value):
        step = f"[{name}]" if isinstance(name, int) else f".{name}" if path else str(name)
        yield from files_in(part, path + step)


def parts_of(value: Any) -> list[tuple[str | int, Any]]:
    """Fields of a record, entries of a dict, items of a list; nothing for plain values."""
    if isinstance(value, dict):
        return [(str(name), part) for name, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(name, getattr(value, name)) for name in value._fields]
    if isinstance(value, list | tuple | set | frozenset):
        return list(enumerate(value))
    for names in ("__struct_fields__", "__dataclass_fields__", "model_fields"):
        if hasattr(type(value), names):
            return [(name, getattr(value, name)) for name in getattr(type(value), names)]
    return []


def lines_of(value: Any, indent: str = "") -> Iterator[str]:
    """A value over some lines, its parts indented; long lists and texts are cut, and say so."""
    parts = parts_of(value)
    if not parts:
        yield indent + scalar(value)
        return
    is_list = isinstance(parts[0][0], int)
    for name, part in parts[:MOST_ITEMS]:
        head = f"{indent}- " if is_list else f"{indent}{name}: "
        if parts_of(part):
            inner = list(lines_of(part, indent + "  "))
            if is_list:
                yield head + inner[0].lstrip()
                yield from inner[1:]
            else:
                yield head.rstrip()
                yield from inner
        else:
            yield head + scalar(part, len(indent) + 2)
    if len(parts) > MOST_ITEMS:
        yield f"{indent}… and {len(parts) - MOST_ITEMS:,} more"


def scalar(value: Any, indent: int = 0) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}" if abs(value) < 1_000 else repr(value)  # no digit before the point is lost
        case str():
            text = value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}… ({len(value) - TEXT_LIMIT:,} more)"
            return text.rstrip().replace("\n", "\n" + " " * indent)
        case bytes():
            return f"{len(value):,} bytes"
        case File():
            return f"{value.name} ({size(value.size)})"
        case list() | tuple() | dict() | set() | frozenset():
            return "(empty)"
        case _:
            return str(msgspec.to_builtins(value, enc_hook=str))


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def span(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...]) -> Iterator[str]:
    """Rows in columns as wide as they need to be."""
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    for row in [heads, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
