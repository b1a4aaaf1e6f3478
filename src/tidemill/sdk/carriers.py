"""Decoding of what msgspec leaves to us: files, paths, pydantic models, and the carriers that `forms` makes."""

import contextvars
import dataclasses
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, ClassVar, cast

import msgspec
from msgspec import UNSET, Struct

from tidemill.sdk import arrays, directory, file
from tidemill.sdk.codecs import Codec
from tidemill.sdk.errors import DoesNotFitError

CODED = "x-tidemill-codec"  # of a schema: the class whose values travel so
_PLACE = re.compile(r" - at `(\$[^`]*)`")
locating: contextvars.ContextVar[file.Locate | None] = contextvars.ContextVar("locating", default=None)
laying: contextvars.ContextVar[directory.Folder | None] = contextvars.ContextVar("laying", default=None)


class _AnyInstance(type):
    """msgspec checks what a hook gave by ``isinstance``; a carrier gives values of other types."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class Carrier(metaclass=_AnyInstance):
    """Stands for a type that msgspec cannot decode; ``read`` makes its value from plain data."""

    read: ClassVar[Callable[[Any], Any]]
    members: ClassVar[tuple[Any, ...]] = ()  # of a union
    mirror: ClassVar[type[Struct] | None] = None  # of a record
    encoded: ClassVar[Any] = None  # of what a codec reads: the type that it travels as, or its schema
    coded: ClassVar[type | None] = None  # the class of such values


def read_custom(kind: type, plain: Any) -> Any:
    """msgspec's ``dec_hook``. What it raises as ValueError gets its path from msgspec, added at the end."""
    if kind is file.File or kind is directory.Directory:
        return _read_files(kind, plain)
    if issubclass(kind, Carrier):
        try:
            return kind.read(plain)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error.__cause__
    if issubclass(kind, PurePath):
        if not isinstance(plain, str):
            raise TypeError(f"Expected a path, a `str`, got `{type(plain).__name__}`")
        return kind(plain)
    if hasattr(kind, "__pydantic_validator__"):
        return _read_model(kind, plain)
    raise TypeError(f"{kind.__name__} has no wire form")


class ManyFaultsError(ValueError):
    """What a validator of several fields found: (path inside the value, what is wrong there)."""

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path[1:]}: {text}" if path else text for path, text in violations))
        self.violations = violations


def _read_model(kind: Any, plain: Any) -> Any:
    """A pydantic model, where the user has pydantic; its error is known by its method."""
    try:
        return kind.model_validate(plain)
    except ValueError as error:
        if not hasattr(error, "errors"):
            raise
        found = [("".join(map(_step, each["loc"])), str(each["msg"])) for each in error.errors(include_url=False)]
        raise ManyFaultsError(found) from None


def _step(field: str | int) -> str:
    return f"[{field}]" if isinstance(field, int) else f".{field}"


def _read_files(kind: type, plain: Any) -> file.File | directory.Directory:
    try:
        if kind is directory.Directory:
            return directory.from_wire(plain, locating.get(), laying.get())
        return file.from_wire(plain, locating.get())
    except DoesNotFitError as error:
        raise ValueError(str(error)) from None


def convert(plain: Any, kind: Any) -> Any:
    """Plain data, from msgpack or from JSON, as a value of a type."""
    return msgspec.convert(plain, kind, builtin_types=(), str_keys=True, dec_hook=read_custom)


def _carrier(name: str, read: Callable[[Any], Any], **facts: Any) -> type[Carrier]:
    return cast(type[Carrier], _AnyInstance(name, (Carrier,), {"read": staticmethod(read), **facts}))


def coded(codec: Codec[Any, Any], wire: Any, traits: Any) -> type[Carrier]:
    """A class that travels by a codec, whose wire type msgspec reads as ``wire``."""
    name = codec.kind.__qualname__.rpartition("<locals>.")[2]

    def read(plain: Any) -> Any:
        given = convert(plain, wire)
        try:
            value = codec.decode(given)
        except Exception as error:
            raise ValueError(f"Expected {name}: {str(error) or type(error).__name__}") from error
        if not isinstance(value, codec.kind):
            raise TypeError(f"the codec of {name} gave {type(value).__name__}")
        return value

    return _carrier(name, read, encoded=wire, coded=codec.kind, traits=traits)


def array(cls: type, element: type | None) -> type[Carrier]:
    """A numpy array, whose elements are of a class."""
    name = f"ndarray[{element.__name__}]" if element else "ndarray"
    schema = arrays.SCHEMA | {"title": name, CODED: "numpy.ndarray"}
    return _carrier(name, lambda plain: arrays.from_wire(plain, cls, element), encoded=schema)


def one_of(name: str, members: Sequence[Any]) -> type[Carrier]:
    """A union of which msgspec cannot tell the members apart: the first that fits, the closest record first."""
    ordered = sorted(members, key=_permissiveness)

    def read(plain: Any) -> Any:
        reasons = []
        for member in sorted(ordered, key=lambda each: _distance(each, plain)) if isinstance(plain, dict) else ordered:
            try:
                return convert(plain, member)
            except msgspec.ValidationError as error:
                reasons.append(_PLACE.sub(r" (at \1)", str(error)))
        raise ValueError(f"Expected {name}; as each of them: " + "; ".join(reasons))

    return _carrier(name, read, members=tuple(members))


def _permissiveness(member: Any) -> int:
    """A text may be anything, so it is tried after dates and ids; bytes in JSON are texts that decode."""
    return 2 if member is bytes else int(member is str)


def _distance(member: Any, plain: Mapping[str, Any]) -> tuple[int, int]:
    """Keys that the record does not know, then (less is better) keys that it does."""
    fields = _keys_of(member)
    if fields is None:
        return (0, 0)
    known = sum(key in fields for key in plain)
    return (len(plain) - known, -known)


def _keys_of(member: Any) -> frozenset[str] | None:
    cls = typing.get_origin(member) or member
    if cls is file.File:
        return frozenset((file.KEY, "size", "media_type", "name"))
    if cls is directory.Directory:
        return frozenset((directory.KEY, "name"))
    mirror = getattr(cls, "mirror", None) or cls
    fields = getattr(mirror, "__struct_encode_fields__", None) or getattr(mirror, "__annotations__", None)
    return frozenset(fields) if fields else None


def _mirror_of(cls: type, fields: Mapping[str, Any]) -> type[Struct]:
    """A Struct with the name, the fields and the wire form of a record, but other types."""
    required, optional = [], []
    for name, kind in fields.items():
        if is_required(cls, name):
            required.append((name, kind))
        else:
            optional.append((name, kind, msgspec.field(default_factory=lambda: UNSET)))
    return msgspec.defstruct(
        cls.__name__,
        [*required, *optional],
        module=cls.__module__,
        array_like=issubclass(cls, tuple),
        kw_only=True,
    )


def is_required(cls: Any, field: str) -> bool:
    """Whether a record cannot be made without the field."""
    if typing.is_typeddict(cls):
        return field in cls.__required_keys__
    if dataclasses.is_dataclass(cls):
        found = {each.name: each for each in dataclasses.fields(cls)}[field]
        return found.default is dataclasses.MISSING and found.default_factory is dataclasses.MISSING
    return field not in getattr(cls, "_field_defaults", {})


def record_carrier(cls: type) -> type[Carrier]:
    """A record that is read as its mirror and then made by its own constructor; to be completed with its fields."""
    return _carrier(cls.__name__, lambda plain: plain)


def complete(carrier: type[Carrier], cls: Any, fields: Mapping[str, Any]) -> None:
    """Give a record's carrier its fields, in which it may stand for the record itself."""
    mirror = _mirror_of(cls, fields)

    def read(plain: Any) -> Any:
        seen = convert(plain, mirror)
        given = {name: getattr(seen, name) for name in mirror.__struct_fields__}
        return cls(**{name: value for name, value in given.items() if value is not UNSET})

    carrier.read, carrier.mirror = staticmethod(read), mirror
