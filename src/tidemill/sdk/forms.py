"""Types as msgspec can read them: what it cannot do by itself is put behind a carrier.

msgspec refuses unions of two records, of two texts, or with a class that it does not know, and takes naive datetimes.
`form_of` walks a type once and gives the type to decode with and to make schemas from: the original, unless something
inside needs a carrier. So most types cost nothing.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import re
import types
import typing
import uuid
from collections import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tidemill.sdk import arrays, carriers
from tidemill.sdk.clamps import bounds_of
from tidemill.sdk.codecs import Codec, Encoders, PickleCodec
from tidemill.sdk.directory import Directory
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.file import File
from tidemill.sdk.fragile import is_fragile
from tidemill.sdk.traits import Trait


class Form(Struct, frozen=True):
    """A type for msgspec, what its values may hold, and how to encode those that msgspec does not know."""

    wire: Any
    traits: Trait = Trait.PLAIN
    encoders: Encoders = {}


class Trail:
    """The way to where a walk is: what stands for the classes that are being walked, and the encoders found."""

    def __init__(self, inside: Mapping[Any, Any], encoders: Encoders) -> None:
        self.inside, self.encoders = inside, encoders

    def into(self, kind: Any, stands: Any) -> "Trail":
        return Trail({**self.inside, kind: stands}, self.encoders)

    def use(self, kind: type, encode: Callable[[Any], Any]) -> None:
        if self.encoders.setdefault(kind, encode) is not encode:
            raise DefinitionError(f"two codecs for {name_of(kind)}; use one of them in all of a value")


_SCALARS = (
    type(None), bool, int, float, str, bytes, bytearray,
    datetime.date, datetime.time, datetime.timedelta, uuid.UUID, decimal.Decimal,
)  # fmt: skip
_SORTABLE = (int, float, str, bytes, datetime.date, datetime.timedelta, uuid.UUID, decimal.Decimal)
_LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Collection)
_SETS = (set, frozenset, abc.Set, abc.MutableSet)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_ADVICE = {
    complex: "a tuple of two floats",
    object: "Any",
    abc.Callable: "a task",
    abc.Iterable: "list[…]",
    abc.Iterator: "list[…], or @worker.stream for a generator",
    abc.Generator: "list[…], or @worker.stream for a generator",
    abc.AsyncIterator: "list[…], or @worker.stream for a generator",
    type: "its name, a str",
    range: "list[int]",
    collections.deque: "list[…]",
    collections.OrderedDict: "dict[…], which keeps its order",
    collections.defaultdict: "dict[…]",
    collections.Counter: "dict[…, int]",
    abc.Sequence: "list, or Sequence[…]",
    abc.Mapping: "dict, or Mapping[…]",
    fractions.Fraction: "Decimal, or a tuple of two ints",
    re.Pattern: "its text, a str",
    Exception: "its text, a str",
    memoryview: "bytes",
}
_OTHER_ADVICE = (
    "a dataclass, NamedTuple, TypedDict, msgspec Struct or pydantic model, a File for large bytes, "
    "or Annotated[{0}, Codec({0}, …)]"
)


def form_of(kind: Any, codecs: Sequence[Codec[Any, Any]] = ()) -> Form:
    """Raises DefinitionError for a type that has no wire form, with what to use instead.

    Args:
        codecs: of classes that may occur inside.
    """
    trail = Trail({}, {})
    stands = {codec.kind: _coded(codec, trail).wire for codec in codecs}
    try:
        form = _walk(kind, Trail(stands, trail.encoders))
    except RecursionError:
        raise DefinitionError(f"{name_of(kind)[:80]} cannot be sent; use a dataclass that names itself") from None
    return replace(form, encoders=trail.encoders)


def name_of(kind: Any) -> str:
    """A type as a person writes it."""
    if kind is None or kind is type(None):
        return "None"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return name_of(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin in (Union, types.UnionType):
        return " | ".join(map(name_of, arguments))
    named = origin or kind
    own = getattr(named, "__qualname__", "").rpartition("<locals>.")[2] or getattr(named, "__name__", str(kind))
    inner = ", ".join("…" if each is ... else name_of(each) for each in arguments)
    return f"{own}[{inner}]" if inner else own


def refuse(kind: Any, instead: str = "") -> typing.NoReturn:
    cls = get_origin(kind) or kind
    other = "int, float or numpy.ndarray" if getattr(cls, "__module__", "") == "numpy" else _OTHER_ADVICE
    advice = instead or _ADVICE.get(cls) or other.format(name_of(cls))
    raise DefinitionError(f"{name_of(kind)} cannot be sent; use {advice}")


def _walk(kind: Any, trail: Trail) -> Form:
    kind = type(None) if kind is None else kind
    if kind is Any or kind is object:
        return Form(Any, Trait.ANYTHING | Trait.NESTED | Trait.FILES)
    if kind is datetime.datetime:
        aware = Annotated[datetime.datetime, Meta(tz=True)]
        return Form(aware, Trait.DATES)
    if kind is File or kind is Directory:
        return Form(kind, Trait.FILES)
    if kind in _SCALARS or kind in (Path, PurePath):
        return Form(kind)
    if isinstance(kind, TypeVar):
        refuse(kind, "a type: a generic function has no schema")
    if arrays.is_array(cls := get_origin(kind) or kind):
        return _walk_array(kind, cls, trail)
    if get_origin(kind) is not None:
        return _walk_generic(kind, trail)
    return _walk_class(kind, trail)


def _walk_generic(kind: Any, trail: Trail) -> Form:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _walk_annotated(kind, trail)
    if origin is Literal:
        if not all(each is None or isinstance(each, str | int) for each in arguments):
            refuse(kind, "Literal of texts, whole numbers, True, False or None; or an Enum")
        return _native(kind)
    if origin in (Union, types.UnionType):
        return _walk_union(kind, trail)
    if origin in (typing.Required, typing.NotRequired, typing.Final):
        return _walk(arguments[0], trail)
    if origin in _LISTS or origin in _SETS or origin in _DICTS or origin is tuple:
        return _walk_container(kind, trail)
    return _walk_class(kind, trail)


def _coded(codec: Codec[Any, Any], trail: Trail) -> Form:
    try:
        form = _walk(codec.wire, trail)
    except DefinitionError as error:
        raise DefinitionError(f"the codec of {name_of(codec.kind)}: {error}") from None
    trail.use(codec.kind, codec.encode)
    return Form(carriers.coded(codec, form.wire, form.traits), form.traits)


def _annotated_codec(inner: Any, codec: Codec[Any, Any], trail: Trail) -> Form:
    if inner is not codec.kind:
        raise DefinitionError(f"{name_of(inner)} is annotated with a codec of {name_of(codec.kind)}")
    if isinstance(codec, PickleCodec):
        raise DefinitionError(f"only a worker can choose pickle: Worker(…, codecs=[PickleCodec({name_of(inner)})])")
    return _coded(codec, trail)


def _walk_array(kind: Any, cls: type, trail: Trail) -> Form:
    trail.use(cls, arrays.to_wire)
    return Form(carriers.array(cls, arrays.element_of(kind)))


def _walk_annotated(kind: Any, trail: Trail) -> Form:
    inner = get_args(kind)[0]
    if (codec := next((mark for mark in kind.__metadata__ if isinstance(mark, Codec)), None)) is not None:
        return _annotated_codec(inner, codec, trail)
    form = _walk(inner, trail)
    metas = tuple(mark for mark in kind.__metadata__ if isinstance(mark, Meta))
    if inner is datetime.datetime:
        return _native(kind) if metas else form
    if not metas:
        return form
    traits = form.traits
    for bounds in filter(None, map(bounds_of, metas)):
        _check_clamp(inner, bounds)
        traits |= Trait.CLAMPED
    if form.wire is inner and metas == kind.__metadata__:
        return Form(kind, traits)  # the same object: the record around it needs no carrier
    return Form(Annotated[(form.wire, *metas)], traits)


def _check_clamp(kind: Any, bounds: Mapping[str, int | float]) -> None:
    members = {each for each in (get_args(kind) or (kind,)) if each is not type(None)}
    if not members or not members <= {int, float}:
        raise DefinitionError(f"{name_of(kind)} cannot be corrected by a Clamp; it takes int and float")
    if float not in members and not all(isinstance(bound, int) for bound in bounds.values()):
        raise DefinitionError("the bounds of a Clamp of an int are whole numbers")


def _walk_container(kind: Any, trail: Trail) -> Form:
    origin, arguments = get_origin(kind), get_args(kind)
    parts = [_walk(part, trail) for part in arguments if part is not ...]
    traits = functools.reduce(lambda all_, part: all_ | part.traits, parts, Trait.PLAIN)
    if origin in _SETS:
        _check_item(arguments[0])
        traits |= Trait.SETS if unaliased(arguments[0]) in _SORTABLE else Trait.SETS | Trait.MIXED
    if origin in _DICTS and arguments[0] is not str:
        _check_key(kind, arguments[0])
        if Trait.CLAMPED in parts[0].traits:
            raise DefinitionError("the keys of a dict cannot be corrected by a Clamp, only its values")
        traits |= Trait.KEYS
    if all(part.wire is original for part, original in zip(parts, arguments, strict=False)):
        return _native(kind, traits)
    rest = (...,) if arguments[-1] is ... else ()
    base = {abc.Set: frozenset}.get(origin, origin)
    return Form(base[(*(part.wire for part in parts), *rest)], traits)


def _check_item(kind: Any) -> None:
    item = unaliased(kind)
    if getattr(get_origin(item) or item, "__hash__", None) is None:
        raise DefinitionError(f"a set of {name_of(kind)} cannot be: its items must be hashable; use list[…]")


def _check_key(mapping: Any, kind: Any) -> None:
    """Keys are texts on the way, so only types that a text tells of can be read again."""
    key = unaliased(get_args(kind)[0] if get_origin(kind) is Annotated else kind)
    is_enum = isinstance(key, type) and issubclass(key, enum.Enum)
    if key in _SORTABLE and key is not bytes:
        return
    if not is_enum and key not in (Any, datetime.datetime, datetime.time) and get_origin(key) is not Literal:
        value = name_of(get_args(mapping)[1])
        refuse(mapping, f"list[tuple[{name_of(kind)}, {value}]]; keys are texts, numbers, dates, ids or Enum members")


def _walk_union(kind: Any, trail: Trail) -> Form:
    members = get_args(kind)
    forms = [_walk(member, trail) for member in members]
    traits = functools.reduce(lambda all_, part: all_ | part.traits, forms, Trait.PLAIN)
    wire = union_of([form.wire for form in forms])
    if is_fragile(form.wire for form in forms):
        traits |= Trait.FRAGILE
    elif _is_readable(wire):
        same = all(form.wire is member for form, member in zip(forms, members, strict=True))
        return Form(kind if same else wire, traits)
    return Form(carriers.one_of(name_of(kind), [form.wire for form in forms]), traits)


def union_of(members: Sequence[Any]) -> Any:
    union: Any = Union
    return union[tuple(members)]


def _is_readable(kind: Any) -> bool:
    try:
        msgspec.json.Decoder(kind, dec_hook=carriers.read_custom)
    except TypeError:
        return False
    return True


def _native(kind: Any, traits: Trait = Trait.PLAIN) -> Form:
    try:
        msgspec.json.Decoder(kind, dec_hook=carriers.read_custom)
    except (TypeError, NameError, RecursionError) as error:
        raise DefinitionError(f"{name_of(kind)} cannot be sent: {error}") from None
    return Form(kind, traits)


def _walk_class(kind: Any, trail: Trail) -> Form:
    if kind in trail.inside:
        return Form(stands := trail.inside[kind], getattr(stands, "traits", Trait.NESTED))
    cls = get_origin(kind) or kind
    if (other := unaliased(kind)) is not kind:
        return _walk(other, trail)
    if cls in (list, dict, tuple, set, frozenset):
        traits = Trait.SETS | Trait.MIXED if cls in _SETS else Trait.PLAIN
        return Form(kind, traits | Trait.ANYTHING | Trait.NESTED | Trait.FILES)
    if not isinstance(cls, type):
        refuse(kind)
    if issubclass(cls, enum.Enum):
        return _native(kind)
    if hasattr(cls, "__pydantic_validator__"):
        _check_model(cls)
        return Form(kind, Trait.FILES | Trait.DATES | Trait.NESTED)
    if not is_record(cls):
        refuse(kind)
    return _walk_record(kind, cls, trail)


def _check_model(cls: Any) -> None:
    for name, info in cls.model_fields.items():
        if any(map(bounds_of, info.metadata)):
            raise DefinitionError(
                f"{name_of(cls)}.{name}: pydantic does not see a Clamp; correct the number in a validator of the model"
            )


def unaliased(kind: Any) -> Any:
    """What a NewType, or a name that `type X = …` or `type X[T] = …` made, stands for."""
    cls = get_origin(kind) or kind
    other = getattr(cls, "__supertype__", getattr(cls, "__value__", cls))
    if other is cls or isinstance(cls, type):
        return kind
    return unaliased(_filled(other, dict(zip(getattr(cls, "__type_params__", ()), get_args(kind), strict=False))))


def is_record(cls: Any) -> bool:
    """A class with named fields: dataclass, NamedTuple, TypedDict or msgspec Struct."""
    return dataclasses.is_dataclass(cls) or typing.is_typeddict(cls) or is_named_tuple(cls) or is_struct(cls)


def is_coded(wire: Any) -> bool:
    """Whether values of a type go through a codec, or are arrays."""
    return isinstance(wire, type) and getattr(wire, "encoded", None) is not None


def is_struct(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Struct)


def is_named_tuple(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a record and their types, generic arguments filled in. Raises DefinitionError."""
    cls = get_origin(kind) or kind
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise DefinitionError(f"{name_of(kind)} cannot be sent: {error}; define it at the top of its module") from None
    known = dict(zip(getattr(cls, "__parameters__", ()), get_args(kind), strict=False))
    names = [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(hints)
    names = list(cls.__struct_fields__) if is_struct(cls) else names
    return {name: _filled(hints[name], known) for name in names}


def _filled(hint: Any, known: dict[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return known.get(hint, Any)
    free = getattr(hint, "__parameters__", ())
    return hint[tuple(known.get(each, Any) for each in free)] if free else hint


def _walk_record(kind: Any, cls: type, trail: Trail) -> Form:
    fields = fields_of(kind)
    forms = _walk_fields(cls, fields, trail.into(kind, kind))
    traits = functools.reduce(lambda all_, part: all_ | part.traits, forms.values(), Trait.PLAIN)
    same = all(form.wire is fields[name] or form.wire is Any for name, form in forms.items())
    if not same and is_struct(cls) and (name := next((n for n, f in forms.items() if is_coded(f.wire)), "")):
        raise DefinitionError(f"{name_of(cls)}.{name}: no codec works inside a msgspec Struct; use a dataclass")
    if is_struct(cls) and Trait.FRAGILE in traits:
        refuse(kind, "a dataclass: a msgspec Struct cannot hold a union of a fixed tuple and a bounded type")
    if same or is_struct(cls):
        return _native(kind, traits)
    carrier = carriers.record_carrier(cls)
    forms = _walk_fields(cls, fields, trail.into(kind, carrier))
    carriers.complete(carrier, cls, {name: form.wire for name, form in forms.items()})
    return Form(carrier, traits)


def _walk_fields(cls: type, fields: Mapping[str, Any], trail: Trail) -> dict[str, Form]:
    forms = {}
    for name, hint in fields.items():
        try:
            forms[name] = _walk(hint, trail)
        except DefinitionError as error:
            raise DefinitionError(f"{name_of(cls)}.{name}: {error}") from None
    return forms
