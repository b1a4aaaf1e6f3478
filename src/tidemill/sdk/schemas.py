"""JSON Schemas of types, made by msgspec; each document is self-contained. The table is docs/design/values.md."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from tidemill.core.graph import Schema
from tidemill.sdk import directory, file
from tidemill.sdk.carriers import CODED, Carrier

_REF = "#/$defs/{name}"
COERCES = "x-tidemill-coerces"  # of a record whose type makes numbers of texts, and the like: pydantic's, not strict


def schemas_of(kinds: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """A schema per type (as `forms` gives it), and the definitions that they refer to."""
    maker = _Maker()
    return maker.schemas(kinds), maker.defs


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


def closed_document(schema: Schema) -> Schema:
    """A document for what people send: a key that a record does not know is a typing error."""
    return {**schema, "$defs": closed(schema["$defs"])} if "$defs" in schema else schema


class _Maker:
    """Collects definitions over several calls of msgspec, since carriers are walked by us."""

    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}
        self._carried: dict[type, str] = {}

    def schemas(self, kinds: Sequence[Any]) -> list[Schema]:
        schemas, own = self._made(kinds, "")
        if any(name in self.defs and self.defs[name] != schema for name, schema in own.items()):
            schemas, own = self._made(kinds, f"_{len(self.defs)}")
        self.defs |= own
        return schemas

    def _made(self, kinds: Sequence[Any], suffix: str) -> tuple[list[Schema], dict[str, Schema]]:
        schemas, own = msgspec.json.schema_components(kinds, schema_hook=self._hook, ref_template=_REF + suffix)
        return list(schemas), {name + suffix: schema for name, schema in own.items()}

    def _hook(self, kind: Any) -> Schema:
        if kind is file.File:
            return file.SCHEMA
        if kind is directory.Directory:
            return directory.SCHEMA
        if issubclass(kind, PurePath):
            return {"type": "string", "format": "path"}
        if not issubclass(kind, Carrier):
            return self._of_pydantic(kind)
        if kind.encoded is not None:
            return self._of_codec(kind)
        if kind.mirror is None:
            return {"anyOf": self.schemas(kind.members)}
        return self._of_record(kind.mirror)

    def _of_codec(self, kind: type[Carrier]) -> Schema:
        if kind.coded is None:
            return dict(kind.encoded)
        (schema,) = self.schemas([kind.encoded])
        return schema | {"title": kind.__name__, CODED: f"{kind.coded.__module__}.{kind.coded.__qualname__}"}

    def _of_record(self, mirror: type[msgspec.Struct]) -> Schema:
        if mirror not in self._carried:
            taken = {*self.defs, *self._carried.values()}
            name = mirror.__name__ if mirror.__name__ not in taken else f"{mirror.__name__}_{len(taken)}"
            self._carried[mirror] = name
            (schema,), own = self._made([mirror], "")
            self.defs[name] = own.pop(schema["$ref"].rpartition("/")[2])
            self.defs |= own
        return {"$ref": _REF.format(name=self._carried[mirror])}

    def _of_pydantic(self, kind: Any) -> Schema:
        schema: Schema = kind.model_json_schema(ref_template=_REF.replace("{name}", "{model}"))
        loose = {} if kind.model_config.get("strict") else {COERCES: True}
        self.defs |= {name: inner | loose for name, inner in schema.pop("$defs", {}).items()}
        return schema | loose
