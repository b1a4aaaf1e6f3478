"""The record types of a manifest's schemas, each one once.

Each document names its types by itself, so the same type has many names. Two are one when their schemas are, whatever
the names of what they refer to: classes are told apart round by round, until a round finds nothing new.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.definitions import undescribed
from tidemill.core.fit import FAILURE_KEY
from tidemill.core.graph import Schema
from tidemill.interface.identifiers import RESERVED, class_name, free_name
from tidemill.sdk.clamps import KEY as CLAMP_KEY
from tidemill.sdk.directory import KEY as DIRECTORY_KEY
from tidemill.sdk.file import KEY as FILE_KEY
from tidemill.sdk.schemas import COERCES

_REF = "#/$defs/"
_FORMS = {FILE_KEY: "File", DIRECTORY_KEY: "Directory", FAILURE_KEY: "Failure"}


def form_of(schema: Schema) -> str:
    """The class of ours that has this wire form; "?" for one that only who has its codec can read; else ""."""
    if any(key.startswith("x-tidemill-") and key not in (CLAMP_KEY, COERCES) for key in schema):
        return "?"
    keys = [key for key in schema.get("required", ()) if key.startswith("$")] if "properties" in schema else []
    return _FORMS.get(keys[0], "?") if keys else ""


def is_record(schema: Schema) -> bool:
    return schema.get("type") == "object" and "properties" in schema and not form_of(schema)


def is_class(schema: Schema) -> bool:
    """Whether a definition becomes a class of Python: a record, an Enum, a NamedTuple."""
    if is_record(schema):
        return True
    values = schema.get("enum")
    if values is not None:
        return "title" in schema and bool(values) and {type(each) for each in values} in ({str}, {int})
    return "title" in schema and "prefixItems" in schema and not form_of(schema)


class Shapes:
    """Filled with documents, then sealed; afterwards each type has one key and one name.

    Attributes:
        nodes: by key, each type's schema, whose references are keys.
        names: by key, the class of each type that becomes one, in the order in which they were met.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Schema] = {}
        self.names: dict[str, str] = {}
        self._same: dict[str, str] = {}
        self._documents = 0

    def add(self, document: Schema, hint: str) -> Schema:
        """The schema of a document with references to keys. ``hint`` names a record that has no title."""
        prefix = f"{self._documents}:"
        self._documents += 1
        for name, schema in document.get("$defs", {}).items():
            key = prefix + name
            self.nodes[key] = {}  # its place in the order
            self.nodes[key] = self._walked(_opened(schema), prefix, schema.get("title") or name)
        root = {key: each for key, each in document.items() if key != "$defs"}
        added: Schema = self._hoisted(root, prefix, hint)
        return added

    def _hoisted(self, schema: Any, prefix: str, hint: str) -> Any:
        if not isinstance(schema, dict) or not is_record(schema):
            return self._walked(schema, prefix, hint)
        key = f"{prefix}#{len(self.nodes)}"
        aside = {name: each for name, each in schema.items() if name == "default"}
        inner = {name: each for name, each in _opened(schema).items() if name != "default"}
        self.nodes[key] = {}
        self.nodes[key] = self._walked({"title": hint, **inner}, prefix, hint)
        return {"$ref": key, **aside}

    def _walked(self, schema: Any, prefix: str, hint: str) -> Any:
        """The schema with what is inside it hoisted."""
        if isinstance(schema, list):
            return [self._hoisted(each, prefix, hint) for each in schema]
        if not isinstance(schema, dict) or form_of(schema):
            return schema
        return {key: self._inside(key, each, prefix, hint) for key, each in schema.items() if key != "$defs"}

    def _inside(self, key: str, value: Any, prefix: str, hint: str) -> Any:
        match key, value:
            case "$ref", str():
                return prefix + value.removeprefix(_REF)
            case "properties", dict():
                return {name: self._hoisted(each, prefix, f"{hint} {name}") for name, each in value.items()}
            case "items" | "additionalProperties" | "prefixItems" | "anyOf" | "oneOf" | "allOf", _:
                return self._hoisted(value, prefix, hint)
            case _:
                return value

    def seal(self) -> None:
        """Find the types that are one, and name them."""
        colors = dict.fromkeys(self.nodes, "")
        count = 0
        while (found := len(set(colors.values()))) > count:
            count = found
            colors = {key: _color(schema, colors) for key, schema in self.nodes.items()}
        first: dict[str, str] = {}
        self._same = {key: first.setdefault(color, key) for key, color in colors.items()}
        for key in dict.fromkeys(self._same.values()):
            if is_class(self.nodes[key]):
                wanted = class_name(str(self.nodes[key].get("title", "")))
                self.names[key] = free_name(wanted, RESERVED | set(self.names.values()))

    def at(self, reference: str) -> str:
        """The one key of the type that is meant."""
        return self._same.get(reference, reference)


def _opened(schema: Schema) -> Schema:
    """What a record takes beside its fields is said where it goes in, so it makes no other type."""
    if schema.get("additionalProperties") is False and "properties" in schema:
        return {key: each for key, each in schema.items() if key != "additionalProperties"}
    return schema


def _color(schema: Schema, colors: Mapping[str, str]) -> str:
    plain = undescribed(_colored(schema, colors))
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _colored(schema: Any, colors: Mapping[str, str]) -> Any:
    match schema:
        case dict():
            return {
                key: colors.get(each, "") if key == "$ref" and isinstance(each, str) else _colored(each, colors)
                for key, each in schema.items()
                if key != "discriminator"
            }
        case list():
            return [_colored(each, colors) for each in schema]
        case _:
            return schema
