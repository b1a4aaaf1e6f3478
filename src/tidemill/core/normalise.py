"""The one place that turns what a client sent as plain data into a value per parameter."""

import difflib
from typing import Any

from msgspec import Struct

from tidemill.core.definitions import TaskDefinition

Violation = tuple[str, str]  # (JSON path, what is wrong)


class Normalised(Struct, frozen=True):
    """A value per parameter; what is missing or of a wrong type is for the schema to say."""

    inputs: dict[str, Any]
    violations: tuple[Violation, ...] = ()


def normalise(definition: TaskDefinition, body: Any) -> Normalised:
    """Read an input: an object with a key per parameter, or the bare record of a task with one record parameter.

    It is the bare record when it lacks the parameter's name as a key. Unknown keys are violations, each with the
    nearest name, or are dropped where the task says so. None is the input of a task without parameters.
    """
    if body is None:
        body = {}
    if not isinstance(body, dict):
        return Normalised({}, (("$", f"expected an object with {_keys(definition)}, not {_kind(body)}"),))
    if definition.record and definition.record not in body and (body or _is_required(definition)):
        return Normalised({definition.record: body})
    known: dict[str, Any] = definition.inputs.get("properties", {})
    inputs = {name: value for name, value in body.items() if name in known}
    if len(inputs) == len(body) or definition.options.ignore_unknown:
        return Normalised(inputs)
    return Normalised(inputs, tuple((f"$.{name}", unknown(name, list(known))) for name in body if name not in known))


def unknown(name: str, known: list[str]) -> str:
    """The text about a key that is not among the known ones."""
    near = difflib.get_close_matches(name, known, 1)
    return f"unknown input; did you mean {near[0]!r}?" if near else "unknown input"


def _is_required(definition: TaskDefinition) -> bool:
    return definition.record in definition.inputs.get("required", ())


def _keys(definition: TaskDefinition) -> str:
    known = definition.inputs.get("properties", {})
    return f"the keys {', '.join(known)}" if known else "no keys"


def _kind(body: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(body), f"a {type(body).__name__}")
