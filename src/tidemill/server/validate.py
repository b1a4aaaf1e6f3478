"""Inputs against the schemas that workers announced, so that a bad call never reaches a queue.

A value that fits costs one look of the validator. One that does not, or that JSON cannot hold (bytes, NaN), is made
plain first and looked at again for all that is wrong with it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from tidemill.core.definitions import TaskDefinition
from tidemill.core.graph import Graph, Schema, Workflow
from tidemill.core.normalise import Violation, unknown
from tidemill.core.plan import wait_nodes
from tidemill.core.single import parameters_of
from tidemill.core.values import MAX_INT, MIN_INT

KEPT = 2048  # compiled checks; the oldest goes first
MOST_VIOLATIONS = 100
TEXT_LIMIT = 300
COERCES = "x-tidemill-coerces"  # of a record: its type makes numbers of texts, and the like
_COERCED = ("integer", "number", "boolean")
_DATA = ("default", "enum", "const", "examples")  # keys of a schema that hold no schema


class BadSchemaError(ValueError):
    """A schema that is none: the worker that announced it is at fault."""


class InputCheck:
    """What the parameters of one task or workflow take."""

    def __init__(self, parameters: Mapping[str, Schema], required: frozenset[str]) -> None:
        self.required = required
        self._checks = {name: _compile(schema) for name, schema in parameters.items()}

    def unknown(self, names: Mapping[str, object]) -> list[str]:
        return [name for name in names if name not in self._checks]

    def violations(self, given: Mapping[str, Any], left_out: frozenset[str] = frozenset()) -> tuple[Violation, ...]:
        """All that is wrong with an input, in the order of parameters.

        Args:
            given: plain data by parameter, as decoded from JSON or msgpack.
            left_out: parameters that are given, but not looked at here.
        """
        found = [(f"$.{name[:TEXT_LIMIT]}", unknown(name, [*self._checks])) for name in self.unknown(given)]
        for name, check in self._checks.items():
            if name in given:
                found += _violations(check, name, given[name])
            elif name in self.required and name not in left_out:
                found.append((f"$.{name}", "is missing"))
        return tuple(found[:MOST_VIOLATIONS])


class Checks:
    """Compiled checks by the digest of what they check."""

    def __init__(self) -> None:
        self._kept: dict[str | bytes, InputCheck] = {}

    def of_task(self, definition: TaskDefinition) -> InputCheck:
        kept = self._kept.get(definition.digest)
        if kept is None:
            required = frozenset(definition.inputs.get("required", ()))
            kept = self._keep(definition.digest, InputCheck(parameters_of(definition.inputs), required))
        return kept

    def of_graph(self, digest: bytes, graph: Graph) -> InputCheck:
        kept = self._kept.get(digest)
        if kept is None:
            kept = self._keep(digest, InputCheck(graph.inputs, frozenset(graph.inputs.keys() - graph.optional.keys())))
        return kept

    def _keep(self, key: str | bytes, check: InputCheck) -> InputCheck:
        while len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = check
        return check


def check_definition(task: TaskDefinition) -> None:
    """Raises BadSchemaError with the port: what a worker in another language announces was never looked at before."""
    schemas = {"inputs": task.inputs, **{f"output {port}": each for port, each in task.outputs.items()}}
    if task.item is not None:
        schemas["item"] = task.item
    for place, schema in schemas.items():
        try:
            _compile(schema)
        except BadSchemaError as error:
            raise BadSchemaError(f"task {task.name}, {place}: {error}") from None


def check_graph(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """Each type that values from outside cannot be checked by: of inputs, and of what waits are given."""
    checked = [(f"the input {name}", schema) for name, schema in workflow.shape.inputs.items()]
    checked += [("what a wait gives", node.type) for node in wait_nodes(workflow)]
    for place, schema in checked:
        try:
            _compile(schema)
        except BadSchemaError as error:
            yield "", f"the type of {place}: {error}"


def _compile(schema: Schema) -> Draft202012Validator:
    try:
        return Draft202012Validator(_checked(schema), offline=True)  # a schema must not make the server fetch anything
    except ValidationError as error:
        raise BadSchemaError(str(error).partition("\n")[0]) from None


def _checked(schema: Any, *, coerces: bool = False) -> Any:
    """The schema of a worker as an input is checked by it.

    Whole numbers are limited to the 64 bits that travel further. Where a type makes one scalar of another, whether it
    can is left to it.
    """
    if isinstance(schema, list):
        return [_checked(each, coerces=coerces) for each in schema]
    if not isinstance(schema, dict):
        return schema
    coerces = coerces or schema.get(COERCES) is True
    own = {
        key: each if key in _DATA else _checked(each, coerces=coerces and key != "$defs")
        for key, each in schema.items()
    }
    kind = own.get("type")
    if kind == "integer":
        own = {"minimum": MIN_INT, "maximum": MAX_INT, **own}
    if coerces and (kind in _COERCED or (kind == "string" and "format" in own)):
        own["type"] = ["string", "number", "boolean"] if kind in _COERCED else ["string", "number"]
    return own


def _violations(check: Draft202012Validator, name: str, value: Any) -> list[Violation]:
    try:
        if check.is_valid(value):
            return []
    except ValueError:
        pass  # bytes, or what no schema speaks of
    try:
        errors = list(check.iter_errors(_as_json(value)))
    except (ValueError, RecursionError) as error:
        return [(f"$.{name}", f"cannot be checked: {error}"[:TEXT_LIMIT])]
    return [violation for error in errors for violation in _spelled(name, error)]


def _spelled(name: str, error: ValidationError) -> list[Violation]:
    place = path_text([name, *error.instance_path])
    kind: Any = error.kind
    match kind.name:
        case "required":
            return [(f"{place}.{kind.property}", "is missing")]
        case "additionalProperties" | "unevaluatedProperties":
            return [(f"{place}.{each}", "no such field") for each in kind.unexpected]
        case "anyOf" | "oneOf" if inside := _meant(kind, len(error.instance_path)):
            return [violation for each in inside for violation in _spelled(name, each)]
        case "maximum" | "minimum" if kind.limit in (MAX_INT, MIN_INT):
            return [(place, f"{error.instance} has more than 64 bits; take it as text (str) or Decimal"[:TEXT_LIMIT])]
        case _:
            return [(place, error.message[:TEXT_LIMIT])]


def _meant(kind: Any, depth: int) -> list[ValidationError]:
    """The one branch of a union that the value is of, but for what lies deeper; empty when there is not one."""
    branches = [branch for branch in getattr(kind, "context", ()) if all(_is_inside(each, depth) for each in branch)]
    return branches[0] if len(branches) == 1 else []


def _is_inside(error: ValidationError, depth: int) -> bool:
    return len(error.instance_path) > depth or error.kind.name in ("required", "additionalProperties")


def path_text(path: Sequence[str | int]) -> str:
    """A JSON path: `$.photos[3].name`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _as_json(value: Any) -> Any:
    """The same value as JSON could hold it; bytes as a text of the length of their base64."""
    match value:
        case bytes():
            return "A" * (4 * ((len(value) + 2) // 3))
        case float() if not math.isfinite(value):
            return 0.0
        case list():
            return [_as_json(each) for each in value]
        case dict():
            return {key: _as_json(each) for key, each in value.items()}
        case _:
            return value
