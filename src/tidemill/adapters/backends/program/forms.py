"""Values as a program reads and writes them: JSON, in which a file has a path; bytes and files as they are."""

from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.failures import NotAsDeclaredError
from tidemill.sdk.file import KEY, File, from_wire
from tidemill.sdk.plans import TypePlan
from tidemill.wire.program import Kind

Locate = Callable[[File], str]
Inside = Callable[[str, str], Path]  # the file that a program names, and what it is, for the message
_KINDS = {bytes: Kind.BYTES, File: Kind.FILE}
_STORED = "sha256:"


def form_of(plan: TypePlan) -> Kind:
    """How values of a type lie in a file."""
    members = [each for each in _members(plan.kind) if each is not type(None)]
    return _KINDS.get(members[0], Kind.JSON) if len(members) == 1 else Kind.JSON


def admits_none(plan: TypePlan) -> bool:
    return any(each in (None, type(None), Any) for each in _members(plan.kind))


def _members(kind: Any) -> list[Any]:
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    return list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]


def plain_of(plan: TypePlan, value: Any, locate: Locate) -> Any:
    """A value as JSON data; files in it get the path of their bytes."""
    plain = plan.plain(value)
    return _with_paths(plain, locate) if plan.may_hold_files else plain


def _with_paths(plain: Any, locate: Locate) -> Any:
    if isinstance(plain, list):
        return [_with_paths(each, locate) for each in plain]
    if not isinstance(plain, dict):
        return plain
    if isinstance(plain.get(KEY), str):
        return plain | {"path": locate(from_wire(plain, None))}
    return {key: _with_paths(each, locate) for key, each in plain.items()}


def from_json(data: bytes, plan: TypePlan, what: str, inside: Inside) -> Any:
    """A value from JSON that a program wrote. Raises NotAsDeclaredError.

    A file in it is ``{"$file": "PATH"}``, relative to where the program was started, with ``name`` and ``media_type``
    if it likes; or one of the files that it was given, as it was given.
    """
    try:
        plain = msgspec.json.decode(data)
    except UnicodeDecodeError:
        raise NotAsDeclaredError(f"{what} is no UTF-8, so no JSON") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAsDeclaredError(f"{what} is no JSON ({len(data):,} bytes): {error}") from None
    return from_plain(plain, plan, what, inside)


def from_plain(plain: Any, plan: TypePlan, what: str, inside: Inside) -> Any:
    """The same for JSON data."""
    try:
        return plan.of_plain(_with_files(plain, what, inside) if plan.may_hold_files else plain)
    except (DoesNotFitError, RecursionError) as error:
        raise NotAsDeclaredError(f"{what} is no {plan.name}: {error}") from None


def _with_files(plain: Any, what: str, inside: Inside) -> Any:
    if isinstance(plain, list):
        return [_with_files(each, what, inside) for each in plain]
    if not isinstance(plain, dict):
        return plain
    named = plain.get(KEY)
    if not isinstance(named, str):
        return {key: _with_files(each, what, inside) for key, each in plain.items()}
    if named.startswith(_STORED):
        return {key: each for key, each in plain.items() if key != "path"}
    path = inside(named, what)
    return File(path, name=str(plain.get("name") or path.name), media_type=str(plain.get("media_type") or ""))
