"""JSON Schemas of types, made by msgspec; each document is self-contained. The table is docs/design/values.md."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from tidemill.core.graph import Schema
from tidemill.sdk import file
from tidemill.sdk.carriers import Carrier

_REF = "#/$defs/{name}"


def schemas_of(kinds: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """A schema per type (as `forms` gives it), and the definitions that they refer to."""
    defs: dict[str, Schema] = {}
    schemas = _components(kinds, defs)
    return schemas, defs


def schema_of(kind: Any) -> Schema:
    (schema,), defs = schemas_of([kind])
    return document(schema, defs)


def document(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
    """The schema with those definitions that it reaches."""
    wanted: dict[str, Schema] = {}
    found = _references(schema)
    while found:
        name = found.pop()
        if name not in wanted:
            wanted[name] = defs[name]
            found |= _references(defs[name])
    return {**schema, "$defs": dict(sorted(wanted.items()))} if wanted else schema


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for each in schema for name in _references(each)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("$ref")
    inner = {name for key, each in schema.items() if key != "default" for name in _references(each)}
    return inner | {own.removeprefix(_REF.format(name=""))} if isinstance(own, str) else inner


def closed(defs: Mapping[str, Schema]) -> dict[str, Schema]:
    """The same definitions, where a record takes no key that it does not know."""
    return {
        name: {**schema, "additionalProperties": False}
        if schema.get("type") == "object" and "additionalProperties" not in schema and "properties" in schema
        else schema
        for name, schema in defs.items()
    }


def undescribed(schema: Any) -> Any:
    """Schemas without what is for people: a better docstring makes no other task."""
    if isinstance(schema, dict):
        return {
            key: undescribed(each) for key, each in schema.items() if key != "description" or not isinstance(each, str)
        }
    return [undescribed(each) for each in schema] if isinstance(schema, list) else schema


def _components(kinds: Sequence[Any], defs: dict[str, Schema]) -> list[Schema]:
    def hook(kind: type) -> Schema:
        if kind is file.File:
            return file.SCHEMA
        if issubclass(kind, PurePath):
            return {"type": "string", "format": "path"}
        if issubclass(kind, Carrier):
            return _of_carrier(kind, defs)
        return _of_pydantic(kind, defs)

    schemas, own = msgspec.json.schema_components(kinds, schema_hook=hook, ref_template=_REF)
    if any(name in defs and defs[name] != schema for name, schema in own.items()):
        template = _REF + f"_{len(defs)}"
        schemas, own = msgspec.json.schema_components(kinds, schema_hook=hook, ref_template=template)
        own = {f"{name}_{len(defs)}": schema for name, schema in own.items()}
    defs.update(own)
    return list(schemas)


def _of_carrier(kind: type[Carrier], defs: dict[str, Schema]) -> Schema:
    if kind.mirror is not None:
        return _components([kind.mirror], defs)[0]
    return {"anyOf": _components(kind.members, defs)}


def _of_pydantic(kind: Any, defs: dict[str, Schema]) -> Schema:
    schema: Schema = kind.model_json_schema(ref_template=_REF.replace("{name}", "{model}"))
    defs.update(schema.pop("$defs", {}))
    return schema
