"""A spec file as it is written: its syntax tree. Places are for messages, and do not count when trees are compared."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from tidemill.core.errors import InputError


class Place(NamedTuple):
    """Both count from 1."""

    line: int
    column: int


NOWHERE = Place(0, 0)


class SpecError(InputError):
    """A spec file that cannot be read; says where, and what is expected there."""

    def __init__(self, text: str, place: Place, file: str = "") -> None:
        super().__init__(f"{file or 'spec'}:{place.line}:{place.column}: {text}")
        self.text, self.place = text, place

    def of_file(self, file: str) -> "SpecError":
        return SpecError(self.text, self.place, file)


# Types ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """A use of a name: ``string``, ``Pair<int32, Photo>``, ``media.Photo``."""

    name: str
    arguments: tuple["Type", ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class ArrayOf:
    item: "Type"
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class TupleOf:
    items: tuple["Type", ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Either:
    """``A | B``."""

    members: tuple["Type", ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Exactly:
    """A type of one value: ``"yes"``, ``3``, ``true``."""

    value: str | int | float | bool
    place: Place = field(default=NOWHERE, compare=False, repr=False)


Type = Named | ArrayOf | TupleOf | Either | Exactly

# Values: defaults, and arguments of decorators -------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    value: str | int | float | bool | None
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Member:
    """A member of an enum: ``Color.red``."""

    enum: str
    name: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Items:
    """``#["a", "b"]``."""

    items: tuple["Value", ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Entries:
    """``#{ a: 1 }``."""

    entries: tuple[tuple[str, "Value"], ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


Value = Plain | Member | Items | Entries

# Declarations --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decorator:
    name: str
    arguments: tuple[Value, ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Notes:
    """What stands before a declaration: its doc comment and its decorators."""

    doc: str = ""
    decorators: tuple[Decorator, ...] = ()


@dataclass(frozen=True)
class Field:
    """Of a model, or a parameter of an operation."""

    name: str
    kind: Type
    is_optional: bool = False
    default: Value | None = None
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Spread:
    """``...Other``: the fields of another model."""

    target: Named
    place: Place = field(default=NOWHERE, compare=False, repr=False)


class Kinship(Enum):
    """How a model takes over another one. For values, which travel without their type, both are the same."""

    EXTENDS = "extends"
    IS = "is"


@dataclass(frozen=True)
class Model:
    name: str
    parameters: tuple[str, ...] = ()
    members: tuple[Field | Spread, ...] = ()
    parent: tuple[Kinship, Named] | None = None
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class EnumMember:
    name: str
    value: str | int | None = None
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Enumeration:
    name: str
    members: tuple[EnumMember, ...] = ()
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Variant:
    """Of a union; its name, which may be "", is for people."""

    name: str
    kind: Type


@dataclass(frozen=True)
class Union:
    name: str
    variants: tuple[Variant, ...] = ()
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Alias:
    name: str
    target: Type
    parameters: tuple[str, ...] = ()
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Scalar:
    """A type by another name, which may have bounds of its own."""

    name: str
    base: Named
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Operation:
    name: str
    fields: tuple[Field | Spread, ...]
    returns: Type
    parameters: tuple[str, ...] = ()
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Interface:
    name: str
    operations: tuple[Operation, ...] = ()
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)


Declaration = Model | Enumeration | Union | Alias | Scalar | Operation | Interface


@dataclass(frozen=True)
class Spec:
    """A whole file. Without a namespace, the one interface names the worker."""

    namespace: str = ""
    declarations: tuple[Declaration, ...] = ()
    notes: Notes = Notes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)
