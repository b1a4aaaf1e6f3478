"""Whether callers of one version of a task can be served by another: field by field, with reasons.

Inputs may only widen (what the old version took, the new one takes) and outputs may only narrow (what the new version
gives, the old one could have given). What cannot be proven is breaking.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import Any

from msgspec import Struct

from tidemill.core.definitions import TaskDefinition
from tidemill.core.fit import View, describe, view_of
from tidemill.core.graph import Schema


class Level(IntEnum):
    """Of a change, the worst last."""

    COMPATIBLE = 0  # no caller can tell
    WIDENED = 1  # callers of the old version are served; new ones may do more
    BREAKING = 2


class Change(Struct, frozen=True):
    """``place`` is a path: ``input.draft.pages``, ``output.value``."""

    place: str
    level: Level
    reason: str


class Verdict(Struct, frozen=True):
    changes: tuple[Change, ...]

    @property
    def level(self) -> Level:
        return max((change.level for change in self.changes), default=Level.COMPATIBLE)

    @property
    def serves(self) -> bool:
        """Whether the new version can take the calls of the old one."""
        return self.level < Level.BREAKING


def compare(old: TaskDefinition, new: TaskDefinition) -> Verdict:
    """How a task changed, for those who call it as it was."""
    if old.digest == new.digest and old.inputs == new.inputs:
        return Verdict(())
    return Verdict((*_inputs(old, new), *_outputs(old, new), *_manners(old, new)))


def _inputs(old: TaskDefinition, new: TaskDefinition) -> Iterator[Change]:
    given, taken = view_of(old.inputs), view_of(new.inputs)
    mine, theirs = old.inputs.get("properties", {}), new.inputs.get("properties", {})
    before, required = set(old.inputs.get("required", ())), set(new.inputs.get("required", ()))
    is_open = _extra(new.inputs) is not False
    for name, schema in mine.items():
        place = f"input.{name}"
        if name not in theirs:
            yield Change(place, Level.WIDENED, "is dropped") if is_open else _breaking(place, "is not taken any more")
            continue
        yield from _value(place, given.at(schema), taken.at(theirs[name]), _INPUT)
        yield from _presence(place, (name in before, schema), (name in required, theirs[name]))
    for name in sorted(theirs.keys() - mine.keys()):
        place = f"input.{name}"
        if name in required:
            yield _breaking(place, "is new, and required")
        elif _extra(old.inputs) is not False:
            yield _breaking(place, "is new, and callers could send anything under this name")
        else:
            yield Change(place, Level.WIDENED, "is new, and may be left out")
    if not is_open and _extra(old.inputs) is not False:
        yield _breaking("input", "unknown keys were ignored, and are refused now")


def _presence(place: str, old: tuple[bool, Schema], new: tuple[bool, Schema]) -> Iterator[Change]:
    """Whether a parameter is required, and its default; of the old version and of the new one."""
    told = [repr(schema["default"]) if "default" in schema else "its worker's own" for _, schema in (old, new)]
    match old[0], new[0]:
        case False, True:
            yield _breaking(place, "could be left out, and is required now")
        case True, False:
            yield Change(place, Level.WIDENED, "may be left out now")
        case False, False if told[0] != told[1]:
            yield Change(place, Level.WIDENED, f"its default was {told[0]}, and is {told[1]}")
        case _:
            return


def _outputs(old: TaskDefinition, new: TaskDefinition) -> Iterator[Change]:
    for port, schema in old.outputs.items():
        place = f"output.{port}"
        if port not in new.outputs:
            yield _breaking(place, "is not given any more")
        else:
            yield from _value(place, view_of(new.outputs[port]), view_of(schema), _OUTPUT)
    for port in sorted(new.outputs.keys() - old.outputs.keys()):
        yield Change(f"output.{port}", Level.WIDENED, "is new")
    if (old.item is None) != (new.item is None):
        yield _breaking("item", "it streams now" if old.item is None else "it does not stream any more")
    elif old.item is not None and new.item is not None:
        yield from _value("item", view_of(new.item), view_of(old.item), _OUTPUT)


def _manners(old: TaskDefinition, new: TaskDefinition) -> Iterator[Change]:
    if old.record and old.record != new.record:
        yield _breaking("input", "its bare record is not taken any more")
    for status in sorted(set(new.statuses) - set(old.statuses)):
        yield Change("status", Level.WIDENED, f"may be {status!r} now, for which no transition was written")
    for status in sorted(set(old.statuses) - set(new.statuses)):
        yield Change("status", Level.WIDENED, f"is never {status!r} any more")


def _breaking(place: str, reason: str) -> Change:
    return Change(place, Level.BREAKING, reason)


class _Side(Struct, frozen=True):
    """Whose values flow: of an input the old caller's, of an output the new worker's."""

    misfit: str
    fit: str
    is_closed: bool  # whether a record holds its own fields only: a worker writes no others


_INPUT = _Side("{given} was taken, and not all of it is {wanted}", "takes more than before", is_closed=False)
_OUTPUT = _Side("was {wanted}, and may be what is no such {given}", "is what it could have been before", is_closed=True)


def _value(place: str, given: View, wanted: View, side: _Side) -> Iterator[Change]:
    """Whether each value of ``given`` is one of ``wanted``."""
    path = _Subsumption(side).misfit(given, wanted)
    if path is not None:
        yield _breaking(f"{place}{path}", side.misfit.format(given=describe(given), wanted=describe(wanted)))
    elif any(_Subsumption(_INPUT).misfit(*pair) is not None for pair in ((given, wanted), (wanted, given))):
        yield Change(place, Level.WIDENED, side.fit)


# One schema within another ---------------------------------------------------------------------------


_IGNORED = frozenset(("title", "description", "default", "discriminator", "$defs", "examples", "x-tidemill-clamp"))
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME = ("pattern", "format", "multipleOf", "propertyNames")
_KNOWN = frozenset((
    "type", "enum", "const", "anyOf", "oneOf", "$ref", "properties", "required", "additionalProperties", "items",
    "prefixItems", "uniqueItems", "contentEncoding", *_LEAST, *_MOST, *_SAME,
))  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),), "boolean": (bool,), "integer": (int,), "number": (int, float),
    "string": (str,), "array": (list,), "object": (dict,),
}  # fmt: skip


class _Subsumption:
    """Whether one schema's values are all values of another; a recursive type meets itself, and then it holds."""

    def __init__(self, side: _Side) -> None:
        self._side = side
        self._met: dict[tuple[int, int], tuple[Schema, Schema]] = {}  # with the schemas, so that an id stays theirs

    def misfit(self, given: View, wanted: View) -> str | None:
        """The path to where it fails; None when it holds."""
        if "$ref" in wanted.schema and _plain(wanted.schema).keys() != {"$ref"}:
            return ""
        given, wanted = given.resolved(), wanted.resolved()
        pair = (id(given.schema), id(wanted.schema))
        if pair in self._met or not _plain(wanted.schema):
            return None
        self._met[pair] = (given.schema, wanted.schema)
        if not _is_union(wanted.schema) and not _is_union(given.schema):
            return self._one(given, wanted)
        if _is_union(wanted.schema) and not _is_readable(wanted.schema):
            return _equal(given.schema, wanted.schema)
        options = [each.resolved() for each in wanted.members()]
        paths = [self._in_some(member, options) for member in given.members()]
        return next((path for path in paths if path is not None), None)

    def _in_some(self, member: View, options: list[View]) -> str | None:
        values = _values(member.schema)
        if values is not None:
            fits = [any(_takes(value, _plain(option.schema)) for option in options) for value in values]
            return None if all(fits) else ""
        paths = []
        for option in options:
            met = dict(self._met)
            path = self.misfit(member, option)
            if path is None:
                return None
            self._met = met
            paths.append(path)
        return max(paths, key=len)

    def _one(self, given: View, wanted: View) -> str | None:
        mine, theirs = _plain(given.schema), _plain(wanted.schema)
        if (values := _values(mine)) is not None:
            return None if all(_takes(value, theirs) for value in values) else ""
        if _values(theirs) is not None:
            return ""
        if theirs.keys() - _KNOWN or not isinstance(theirs.get("type"), str):
            return _equal(mine, theirs)
        if not _is_narrower(mine, theirs):
            return ""
        inside = _INSIDE.get(theirs["type"])
        return inside(self, given, wanted) if inside else None

    def arrays(self, given: View, wanted: View) -> str | None:
        mine, theirs = given.schema, wanted.schema
        if theirs.get("uniqueItems") and not mine.get("uniqueItems"):
            return ""
        places = max(len(mine.get("prefixItems", ())), len(theirs.get("prefixItems", ())))
        for place in range(places + 1):
            inner, outer = _item(mine, place), _item(theirs, place)
            if inner is False or outer is True:
                continue
            if outer is False:
                return ""
            path = self.misfit(given.at({} if inner is True else inner), wanted.at(outer))
            if path is not None:
                return f"[{place if place < places else '…'}]{path}"
        return None

    def objects(self, given: View, wanted: View) -> str | None:
        mine, theirs = given.schema.get("properties", {}), wanted.schema.get("properties", {})
        required = set(given.schema.get("required", ()))
        for name in wanted.schema.get("required", ()):
            if name not in required:
                return f".{name}"
        rest, others = _extra(given.schema), _extra(wanted.schema)
        if rest is True and self._side.is_closed and "properties" in given.schema:
            rest = False
        for name in dict.fromkeys([*mine, *theirs]):
            path = self._part(given.at(mine.get(name, rest)), wanted.at(theirs.get(name, others)))
            if path is not None:
                return f".{name}{path}"
        path = self._part(given.at(rest), wanted.at(others))
        return None if path is None else f"[…]{path}"

    def _part(self, given: View, wanted: View) -> str | None:
        """Of schemas that may be True, anything, or False, nothing."""
        inner: Any = given.schema
        outer: Any = wanted.schema
        if inner is False or outer is True or outer == {}:
            return None
        if outer is False:
            return ""
        return self.misfit(given.at({}) if inner is True else given, wanted)


_INSIDE: dict[str, Callable[[_Subsumption, View, View], str | None]] = {
    "array": _Subsumption.arrays,
    "object": _Subsumption.objects,
}


def _is_union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema


def _is_readable(schema: Schema) -> bool:
    """Whether a value of one member is a value of the union, for sure."""
    return _plain(schema).keys() == {"anyOf"} or (_plain(schema).keys() == {"oneOf"} and "discriminator" in schema)


def _equal(mine: Schema, theirs: Schema) -> str | None:
    """Of what is not understood: the same text means the same, unless it refers to something."""
    return None if _plain(mine) == _plain(theirs) and "$ref" not in str(mine) else ""


def _plain(schema: Schema) -> Schema:
    return {key: each for key, each in schema.items() if key not in _IGNORED}


def _values(schema: Schema) -> list[Any] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else list(values)


def _takes(value: object, schema: Schema) -> bool:
    """Whether a value of an enum is one of a schema; bounds on it are not looked into."""
    values = _values(schema)
    if values is not None:
        return any(value == each and type(value) is type(each) for each in values)
    if schema.keys() - {"type"}:
        return False
    kinds = _TYPES.get(str(schema.get("type")), ())
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _is_narrower(mine: Schema, theirs: Schema) -> bool:
    kind, other = mine.get("type"), theirs.get("type")
    if other is not None and kind != other and (kind, other) != ("integer", "number"):
        return False
    if mine.get("contentEncoding") != theirs.get("contentEncoding"):
        return False  # bytes are texts in schemas only
    for key in _LEAST:
        if key in theirs and not (key in mine and mine[key] >= theirs[key]):
            return False
    for key in _MOST:
        if key in theirs and not (key in mine and mine[key] <= theirs[key]):
            return False
    return all(key not in theirs or mine.get(key) == theirs[key] for key in _SAME)


def _item(schema: Schema, place: int) -> Any:
    prefix = schema.get("prefixItems", ())
    if place < len(prefix):
        return prefix[place]
    longest = schema.get("maxItems")
    if longest is not None and place >= longest:
        return False
    return schema.get("items", True)


def _extra(schema: Mapping[str, Any]) -> Any:
    return schema.get("additionalProperties", True)
