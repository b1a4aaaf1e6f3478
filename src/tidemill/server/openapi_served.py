"""What has a path of its own, in the OpenAPI document: made when somebody asks, since operators change it."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from tidemill.core.graph import Schema
from tidemill.core.served import Endpoint, Pinned
from tidemill.core.terms import VALUE
from tidemill.engine.engine import Engine
from tidemill.server.intake import Target
from tidemill.server.problems import RequestError
from tidemill.wire.api import JSON, MSGPACK, PROBLEM

COMPONENTS = "#/components/schemas/"
_DATA = ("default", "enum", "const", "examples")  # keys of a schema that hold no schema

Components = dict[str, Any]
Finder = Callable[[Endpoint, Pinned | None], Awaitable[Target]]


class ServedDocument:
    """The document of the API with all that operators serve.

    Args:
        fixed: the document of what is always there.
        find: what a version of an endpoint runs.
    """

    def __init__(self, fixed: bytes, engine: Engine, find: Finder) -> None:
        self._fixed, self._engine, self._find = fixed, engine, find

    async def __call__(self) -> bytes:
        endpoints = self._engine.registry.all(Endpoint)
        if not endpoints:
            return self._fixed
        whole = msgspec.json.decode(self._fixed)
        for endpoint in endpoints:
            path = f"/w/{endpoint.name}"
            await self._add(whole, path, endpoint, endpoint.version(endpoint.default))
            for version in endpoint.versions:
                await self._add(whole, f"{path}/{version.name}", endpoint, version)
        return msgspec.json.encode(whole)

    async def _add(self, whole: dict[str, Any], path: str, endpoint: Endpoint, version: Pinned | None) -> None:
        try:
            target = await self._find(endpoint, version)
        except RequestError:
            return  # what is not there cannot be described; a call says so
        components: Components = whole["components"]["schemas"]
        name = re.sub(r"[^A-Za-z0-9._-]", "_", path.strip("/").replace("/", "."))
        inputs, outputs = await self._shape(target, name, components)
        whole["paths"][path] = {"post": _operation(name, target.name, inputs, outputs)}

    async def _shape(self, target: Target, name: str, components: Components) -> tuple[Schema, Schema]:
        """Schemas of the body and of the answer, their parts among the components."""
        definition = target.definition
        if definition is not None:
            inputs = hoisted(definition.inputs, f"{name}.input", components)
            if definition.record:  # one record may stand for itself
                bare = {"$ref": f"{inputs['$ref']}/properties/{definition.record}"}
                inputs = {"anyOf": [inputs, bare]}
            return inputs, _answer(definition.outputs, name, components)
        workflow = await self._engine.graphs.get(target.graph)
        if workflow is None:
            return {}, {}
        shape = workflow.shape
        properties = {port: hoisted(each, f"{name}.input.{port}", components) for port, each in shape.inputs.items()}
        required = [port for port in shape.inputs if port not in shape.optional]
        inputs = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return inputs, _answer(shape.types, name, components)


def _answer(ports: dict[str, Schema], name: str, components: Components) -> Schema:
    """The one output, or a record with one key per output port."""
    outputs = {port: hoisted(each, f"{name}.output.{port}", components) for port, each in ports.items()}
    if outputs.keys() == {VALUE}:
        return outputs[VALUE]
    return {"type": "object", "properties": outputs, "required": list(outputs)}


def hoisted(schema: Schema, name: str, components: Components) -> Schema:
    """A schema that is complete in itself, put among the components; what refers to its parts finds them there."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    parts = schema.get("$defs", {})
    names = {part: f"{name}.{index}.{re.sub(r'[^A-Za-z0-9._-]', '_', part)}" for index, part in enumerate(parts)}
    for part, each in parts.items():
        components[names[part]] = _moved(each, name, names)
    components[name] = _moved({key: each for key, each in schema.items() if key != "$defs"}, name, names)
    return {"$ref": COMPONENTS + name}


def _moved(schema: Any, name: str, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_moved(each, name, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _target(each, name, names)
        if key == "$ref" and isinstance(each, str)
        else each
        if key in _DATA
        else _moved(each, name, names)
        for key, each in schema.items()
        if key not in ("$schema", "$id")
    }


def _target(reference: str, name: str, names: dict[str, str]) -> str:
    if not reference.startswith("#"):
        return reference
    _, _, path = reference.partition("#/$defs/")
    part, _, rest = path.partition("/")
    part = part.replace("~1", "/").replace("~0", "~")
    if part in names:
        return COMPONENTS + names[part] + (f"/{rest}" if rest else "")
    return COMPONENTS + name + reference.removeprefix("#")


def _operation(name: str, target: str, inputs: Schema, outputs: Schema) -> dict[str, Any]:
    def content(schema: Schema) -> dict[str, Any]:
        return {"content": {media: {"schema": schema} for media in (JSON, MSGPACK)}}

    parameters: Sequence[dict[str, Any]] = (
        {"name": "wait", "in": "query", "description": "Seconds to wait for the end", "schema": {"type": "number"}},
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key gives the same run",
            "schema": {"type": "string", "maxLength": 255},
        },
    )
    return {
        "operationId": f"post_{re.sub(r'[^A-Za-z0-9]', '_', name)}",
        "summary": f"Run {target}",
        "parameters": parameters,
        "requestBody": {"required": True} | content(inputs),
        "responses": {
            "200": {"description": "Its outputs"} | content(outputs),
            "202": {"description": "It goes on"} | content({"$ref": f"{COMPONENTS}Started"}),
            "default": {
                "description": "What is wrong",
                "content": {PROBLEM: {"schema": {"$ref": f"{COMPONENTS}Problem"}}},
            },
        },
    }
