"""The types of a spec as Python types: models are dataclasses, enums are enums. The SDK takes it from there.

```text
resolve(type) -> a built-in name | a declared one -> _model | _enum | …, made once per name and arguments
                                                      `- a shell first, filled while the trail unwinds: models recurse
finish()      -> each shell becomes a dataclass, its defaults checked against their types
```
"""

import copy
import dataclasses
import enum
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from tidemill.core.values import Encoding
from tidemill.interface.typespec import marks, syntax
from tidemill.interface.typespec.names import Names, check_identifier, is_mapping
from tidemill.interface.typespec.scalars import GENERIC, SCALARS
from tidemill.interface.typespec.syntax import NOWHERE, Place, SpecError
from tidemill.sdk.errors import DefinitionError, DoesNotFitError
from tidemill.sdk.forms import name_of
from tidemill.sdk.plans import plan_of

Declared = syntax.Model | syntax.Enumeration | syntax.Union | syntax.Alias | syntax.Scalar
Scope = Mapping[str, Any]  # type parameters -> types
NO_SCOPE: Scope = {}
DEEPEST = 60  # of template instances and parents in each other
_BOUNDS = frozenset(marks.BOUNDS.values())


class Column(NamedTuple):
    """A field of a model, or a parameter, with its type."""

    name: str
    kind: Any
    field: syntax.Field

    @property
    def has_default(self) -> bool:
        return self.field.is_optional or self.field.default is not None


class Types:
    """The types of one spec. Raises SpecError."""

    def __init__(self, spec: syntax.Spec) -> None:
        self.names = Names(spec)
        self._module = spec.namespace or "spec"
        self._made: dict[Any, Any] = {}
        self._unfinished: list[tuple[type, list[Column]]] = []
        self._bounds: list[tuple[Any, Place]] = []
        self._uses: dict[str, int] = {}
        self._depth = 0

    def resolve_all(self) -> None:
        """Each declared type that takes no parameters: a mistake in one that nobody uses is a mistake too."""
        for name, each in self.names.declared.items():
            if not getattr(each, "parameters", ()) and not is_mapping(each):
                self.resolve(syntax.Named(name, (), each.place))

    def finish(self) -> None:
        """No more is to be resolved: what was made becomes usable."""
        while self._unfinished:
            shell, columns = self._unfinished.pop(0)
            for each in columns:
                if each.has_default:
                    setattr(shell, each.name, _as_field(self.default_of(each)))
            dataclasses.dataclass(kw_only=True)(shell)
        for kind, place in self._bounds:
            try:
                plan_of(kind)
            except (DefinitionError, TypeError) as error:
                raise SpecError(f"these bounds do not fit: {error}", place) from None

    # A type -----------------------------------------------------------------------------------------

    def resolve(self, kind: syntax.Type, scope: Scope = NO_SCOPE) -> Any:
        match kind:
            case syntax.ArrayOf(item=item):
                return list.__class_getitem__(self.resolve(item, scope))
            case syntax.TupleOf(items=items):
                return tuple.__class_getitem__(tuple(self.resolve(each, scope) for each in items))
            case syntax.Either(members=members):
                return _either([self.resolve(each, scope) for each in members])
            case syntax.Exactly(value=value, place=place):
                if isinstance(value, float):
                    raise SpecError("a fraction is no type; write float64", place)
                return bool if isinstance(value, bool) else Literal[value]
            case syntax.Named():
                return self._named(kind, scope)

    def _named(self, kind: syntax.Named, scope: Scope) -> Any:
        if kind.name in scope:
            return self._without_arguments(kind, scope[kind.name])
        name = self.names.short(kind.name)
        if name in GENERIC:
            return self._generic(name, kind, scope)
        if name in SCALARS:
            return self._without_arguments(kind, SCALARS[name])
        declared = self.names.find(kind)
        if is_mapping(declared):
            raise SpecError(f"{name} is a @portmapping: it can only be the result of an operation", kind.place)
        arguments = self._arguments(kind, declared, scope)
        key = (name, arguments)
        if key not in self._made:
            self._made[key] = self._deeper(kind.place, declared, arguments)
        return self._made[key]

    def _without_arguments(self, kind: syntax.Named, found: Any) -> Any:
        if kind.arguments:
            raise SpecError(f"{kind.name} takes no types in <…>", kind.place)
        return found

    def _generic(self, name: str, kind: syntax.Named, scope: Scope) -> Any:
        if len(kind.arguments) != GENERIC[name]:
            raise SpecError(f"{name} takes one type: {name}<T>", kind.place)
        if name == "Stream":
            raise SpecError("Stream<T> can only be the result of an operation", kind.place)
        inner: Any = self.resolve(kind.arguments[0], scope)
        return list.__class_getitem__(inner) if name == "Array" else dict.__class_getitem__((str, inner))

    def _arguments(self, kind: syntax.Named, declared: Any, scope: Scope) -> tuple[Any, ...]:
        wanted = getattr(declared, "parameters", ())
        if len(wanted) != len(kind.arguments):
            takes = f"{len(wanted)} types: {kind.name}<{', '.join(wanted)}>" if wanted else "no types in <…>"
            raise SpecError(f"{kind.name} takes {takes}", kind.place)
        return tuple(self.resolve(each, scope) for each in kind.arguments)

    def _deeper(self, place: Place, declared: Any, arguments: tuple[Any, ...]) -> Any:
        self._depth += 1
        if self._depth > DEEPEST:
            raise SpecError(f"{declared.name} is made of itself without an end", place)
        try:
            return self._make(declared, arguments)
        finally:
            self._depth -= 1

    # A declaration ----------------------------------------------------------------------------------

    def _make(self, declared: Declared, arguments: tuple[Any, ...]) -> Any:
        scope = dict(zip(getattr(declared, "parameters", ()), arguments, strict=True))
        match declared:
            case syntax.Model():
                return self._model(declared, scope, arguments)
            case syntax.Enumeration():
                return _enumeration(declared, self._module)
            case syntax.Union():
                marks.check(declared.notes, (), f"the union {declared.name}")
                if not declared.variants:
                    raise SpecError(f"the union {declared.name} has no variants", declared.place)
                return _either([self.resolve(each.kind) for each in declared.variants])
            case syntax.Alias():
                return self.resolve(declared.target, scope)
            case syntax.Scalar():
                marks.check(declared.notes, marks.BOUNDS, f"the scalar {declared.name}")
                return self._bounded(self.resolve(declared.base), declared.notes, declared.place)

    def _model(self, declared: syntax.Model, scope: Scope, arguments: tuple[Any, ...]) -> type:
        marks.check(declared.notes, (marks.PORTMAPPING,), f"the model {declared.name}")
        name = self._free_name("_".join([declared.name, *map(_word, arguments)]))
        shell = type(name, (), {"__module__": self._module, "__doc__": marks.doc_of(declared.notes) or f"{name}()"})
        self._made[declared.name, arguments] = shell  # before its fields, which may name it
        columns = self.columns(self.members(declared), scope)
        shell.__annotations__ = {each.name: each.kind for each in columns}
        self._unfinished.append((shell, columns))
        return shell

    def _free_name(self, name: str) -> str:
        """Schemas go by name: ``Pair<int32>`` and ``Pair<int64>`` are two."""
        number = self._uses[name] = self._uses.get(name, 0) + 1
        return name if number == 1 else f"{name}_{number}"

    def members(self, model: syntax.Model) -> tuple[syntax.Field | syntax.Spread, ...]:
        """Those of a parent come first."""
        own = model.members
        return (syntax.Spread(model.parent[1], model.parent[1].place), *own) if model.parent else own

    def columns(self, members: tuple[syntax.Field | syntax.Spread, ...], scope: Scope) -> list[Column]:
        found: dict[str, Column] = {}
        for each in members:
            for column in self._columns(each, scope):
                if column.name in found:
                    raise SpecError(f"{column.name} is there twice", each.place)
                found[column.name] = column
        return list(found.values())

    def _columns(self, member: syntax.Field | syntax.Spread, scope: Scope) -> list[Column]:
        if isinstance(member, syntax.Field):
            return [self._column(member, scope)]
        declared = self.names.find(member.target)
        if not isinstance(declared, syntax.Model):
            raise SpecError(f"{declared.name} is no model, so it has no fields", member.place)
        arguments = self._arguments(member.target, declared, scope)
        inner = dict(zip(declared.parameters, arguments, strict=True))
        self._depth += 1
        if self._depth > DEEPEST:
            raise SpecError(f"{declared.name} is made of itself without an end", member.place)
        try:
            return self.columns(self.members(declared), inner)
        finally:
            self._depth -= 1

    def _column(self, field: syntax.Field, scope: Scope) -> Column:
        check_identifier(field.name, "a field", field.place)
        marks.check(field.notes, marks.BOUNDS, f"the field {field.name}")
        kind = self._bounded(self.resolve(field.kind, scope), field.notes, field.place)
        if field.is_optional and field.default is None:
            kind = _either([kind, None])
        doc = marks.doc_of(field.notes)
        return Column(field.name, Annotated[kind, Meta(description=doc)] if doc else kind, field)

    def _bounded(self, kind: Any, notes: syntax.Notes, place: Place) -> Any:
        given = marks.keywords(notes, marks.BOUNDS)
        if not given:
            return kind
        try:
            bounded = _tightened(kind, given)
        except (TypeError, ValueError, OverflowError) as error:
            raise SpecError(f"these bounds do not fit: {error}", place) from None
        self._bounds.append((bounded, place))
        return bounded

    # A default --------------------------------------------------------------------------------------

    def default_of(self, column: Column) -> Any:
        """Of a parameter or a field that has one."""
        if column.field.default is None:
            return None
        written = marks.plain(column.field.default, self.names.member_value)
        if written is None and admits_none(column.kind):
            return None
        place = getattr(column.field.default, "place", NOWHERE)
        try:
            return plan_of(column.kind).decode_bytes(msgspec.json.encode(written), Encoding.JSON)
        except (DoesNotFitError, OverflowError) as error:
            raise SpecError(f"the default of {column.name} does not fit its type: {error}", place) from None
        except DefinitionError:
            raise SpecError(
                f"{column.name} holds models, and has no default then; write {column.name}?", place
            ) from None


def admits_none(kind: Any) -> bool:
    inner = get_args(kind)
    return kind in (None, Any, type(None)) or any(admits_none(each) for each in inner if each is not kind)


def _either(members: list[Any]) -> Any:
    if Any in members:
        return Any
    literals = [value for each in members if get_origin(each) is Literal for value in get_args(each)]
    if literals:  # those of texts and numbers are one type
        rest = [each for each in members if get_origin(each) is not Literal]
        members = [Literal[tuple(dict.fromkeys(literals))], *rest]
    union: Any = Union
    return union[tuple(members)]


def _tightened(kind: Any, given: dict[str, Any]) -> Any:
    """A type with bounds on top of those that it has; msgspec takes one of each kind."""
    if get_origin(kind) is not Annotated:
        return Annotated[kind, Meta(**given)]
    inner, *metas = get_args(kind)
    bounds: dict[str, Any] = {}
    for meta in (*metas, Meta(**given)):
        for name in _BOUNDS:
            if (bound := getattr(meta, name)) is not None:
                tighter = max if name in ("ge", "gt", "min_length") else min
                bounds[name] = tighter(bounds[name], bound) if name in bounds and name != "pattern" else bound
    return Annotated[inner, Meta(**bounds)]


def _enumeration(declared: syntax.Enumeration, module: str) -> Any:
    marks.check(declared.notes, (), f"the enum {declared.name}")
    values = {each.name: each.name if each.value is None else each.value for each in declared.members}
    for each in declared.members:
        check_identifier(each.name, "a member", each.place)
    if len(values) < len(declared.members) or not values:
        raise SpecError(f"the enum {declared.name} has {'a member twice' if values else 'no members'}", declared.place)
    if len({type(each) for each in values.values()}) > 1:
        raise SpecError(f"the enum {declared.name} has texts and numbers; it has one of them", declared.place)
    try:
        made: Any = enum.Enum(declared.name, values, module=module)  # type: ignore[misc]
    except (ValueError, TypeError) as error:
        raise SpecError(f"the enum {declared.name} cannot be made: {error}", declared.place) from None
    made.__doc__ = marks.doc_of(declared.notes) or None
    return made


def _as_field(default: Any) -> Any:
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=partial(copy.deepcopy, default))
    return default


def _word(kind: Any) -> str:
    """A type as a part of a name."""
    return "".join(each if each.isalnum() else "_" for each in name_of(kind)).strip("_")
