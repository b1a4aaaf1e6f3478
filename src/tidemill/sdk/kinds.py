"""What tracing asks of types: alternatives, items, fields and their keys in the wire form."""

import dataclasses
import types
from collections.abc import Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct

from tidemill.sdk.file import KEY
from tidemill.sdk.forms import fields_of, is_named_tuple, is_record, is_struct, union_of

FILE_FIELDS: dict[str, tuple[str, Any]] = {
    "digest": (KEY, str),
    "size": ("size", int),
    "media_type": ("media_type", str),
    "name": ("name", str),
}


def bare(kind: Any) -> Any:
    """A type without its annotations."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def members(kind: Any) -> Sequence[Any]:
    """The alternatives of a union, or the type alone."""
    kind = bare(kind)
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def some(kind: Any) -> Any:
    """A type without None."""
    rest = [each for each in members(kind) if each is not type(None)]
    return union_of(rest) if rest else type(None)


def fixed_kinds(kind: Any) -> Sequence[Any] | None:
    """The types of a NamedTuple's or a fixed tuple's items; None for what has no fixed length."""
    kind = bare(kind)
    if is_named_tuple(get_origin(kind) or kind):
        return list(fields_of(kind).values())
    arguments = get_args(kind)
    return arguments if get_origin(kind) is tuple and ... not in arguments else None


def keys_of(kind: Any) -> dict[str, tuple[str | int, Any]]:
    """A record's fields by name: the key in the wire form, and the type."""
    cls = get_origin(kind) or kind
    if hasattr(cls, "__pydantic_validator__"):
        fields = cls.model_fields.items()
        return {
            key: (each.alias or name, each.annotation) for name, each in fields for key in (name, each.alias or name)
        }
    if not is_record(cls):
        return {}
    hints = fields_of(kind)
    if is_named_tuple(cls) or (is_struct(cls) and cls.__struct_config__.array_like):
        return {name: (index, hint) for index, (name, hint) in enumerate(hints.items())}
    wire = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True)) if is_struct(cls) else {}
    return {name: (wire.get(name, name), hint) for name, hint in hints.items()}


def record_names(value: Any) -> Sequence[str]:
    """The fields of a dataclass or Struct instance; none for anything else."""
    if isinstance(value, Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    return ()
