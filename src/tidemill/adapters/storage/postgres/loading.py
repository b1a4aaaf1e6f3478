"""Rows by key in one statement: that of each list that has keys, joined, each row with the place of its key."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tidemill.adapters.storage.packing import LOADS, Bound, unpack_value
from tidemill.adapters.storage.postgres.connection import Record
from tidemill.adapters.storage.statements import statements
from tidemill.core.rows import Keys, Rows

# Whose rows belong to one run, and are guarded by its lock; the run comes first in their keys.
OF_RUN = ("scopes", "steps", "attempts", "values", "chunks", "waits", "told", "attributes")
SHARED = ("limits", "cached", "schedules", "submit_keys", "mailboxes", "signals", "shelves", "kept")
_NAMES = ("runs", *OF_RUN, "blobs", *SHARED)
_LOCKS = re.compile(r" for update skip locked")
_PARAMETER = re.compile(r"\$(\d+)")


def shifted(sql: str, by: int) -> str:
    """The statement with its parameters counted from ``by`` on."""
    return _PARAMETER.sub(lambda match: f"${int(match[1]) + by}", sql)


def parameters(sql: str) -> int:
    return max((int(number) for number in _PARAMETER.findall(sql)), default=0)


@cache
def _joined(names: tuple[str, ...], *, locking: bool) -> str:
    parts, used = [], 0
    for name in names:
        sql = statements("postgres/sql/load")[name]
        parts.append(f"select {_NAMES.index(name)} as g, a.n, a.packed from ({shifted(sql, used)}) a(n, packed)")  # noqa: S608 -- our own texts
        used += parameters(sql)
    text = " union all ".join(parts)
    return text if locking else _LOCKS.sub("", text)


def load_statement(wanted: Mapping[str, Sequence[Any]], *, locking: bool) -> tuple[str, list[Sequence[Any]]]:
    """The statement for these keys, by the names of their lists, and what it binds. None of the lists is empty."""
    names = tuple(name for name in _NAMES if wanted.get(name))
    bound: list[Sequence[Any]] = []
    for name in names:
        bind = LOADS[name].bind if name in LOADS else _plain
        bound += zip(*map(bind, wanted[name]), strict=True)
    return _joined(names, locking=locking), bound


def take(rows: Rows, wanted: Mapping[str, Sequence[Any]], found: Sequence[Record]) -> None:
    """Put what was found where it belongs; what is there and was not to be had is held by others."""
    for group, place, packed in found:
        name = _NAMES[group]
        key = wanted[name][place - 1]
        if packed is None:
            rows.held.add((name, key))
            del getattr(rows, name)[key]
        else:
            getattr(rows, name)[key] = _unpacked(name, packed)


def wanted_of(keys: Keys) -> dict[str, Sequence[Any]]:
    return {name: listed for name in _NAMES if (listed := getattr(keys, name))}


def _plain(key: Any) -> Bound:
    return key if isinstance(key, tuple) else (key,)


def _unpacked(name: str, packed: bytes) -> Any:
    match name:
        case "values":
            return unpack_value(packed)
        case "chunks":
            return packed
        case "blobs":
            return int.from_bytes(packed, "big")
        case _:
            return LOADS[name].unpack(packed)
