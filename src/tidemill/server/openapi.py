"""The OpenAPI 3.1 document, made from the table of routes and the structs of `wire.api`."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tidemill.core.version import VERSION
from tidemill.server.parameters import Query
from tidemill.server.routes import PREFIX, Endpoint
from tidemill.wire.api import JSON, MSGPACK, PROBLEM, Problem
from tidemill.wire.hooks import Started

DESCRIPTION = """\
Submit runs, follow them, read their results. Bodies are JSON; the same in msgpack where a client asks for it.
Whatever goes wrong is answered as application/problem+json with a stable `type`.
Lists come in pages: pass the `next` of one page on to get the one after it."""


def document(endpoints: Sequence[Endpoint]) -> bytes:
    """The document in JSON."""
    types = {kind for each in endpoints for kind in (each.body, each.answer) if isinstance(kind, type)} | {Started}
    ordered = [*sorted(types, key=lambda kind: kind.__name__), Problem]
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    references = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        path = PREFIX + each.path.replace(":path", "")
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, references)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Tidemill", "version": VERSION, "description": DESCRIPTION},
        "paths": paths,
        "components": {"schemas": components},
    }
    return msgspec.json.encode(whole)


def _operation(endpoint: Endpoint, references: dict[Any, Any]) -> dict[str, Any]:
    names_only = endpoint.path.replace(":path", "")
    names = re.findall(r"{(\w+)", endpoint.path)
    in_path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{names_only}").strip("_"),
        "summary": endpoint.summary,
        "parameters": in_path + [_query(each) for each in endpoint.query],
        "responses": {
            str(endpoint.status): {"description": endpoint.summary} | _content(endpoint.answer, references),
            "default": {"description": "What is wrong"} | {"content": {PROBLEM: {"schema": references[Problem]}}},
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True} | _content(endpoint.body, references)
    return operation


def _query(query: Query) -> dict[str, Any]:
    one = {"type": query.type}
    schema = {"type": "array", "items": one} if query.is_list else one
    return {"name": query.name, "in": "query", "description": query.summary, "schema": schema}


def _content(kind: type | str, references: dict[Any, Any]) -> dict[str, Any]:
    if kind == "":
        return {}
    if isinstance(kind, str):
        return {"content": {kind: {}}}
    schema = references[kind]
    return {"content": {media: {"schema": schema} for media in (JSON, MSGPACK)}}
