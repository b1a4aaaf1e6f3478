"""Graph documents: read with a clear refusal, written one way, so that equal workflows have equal digests."""

from typing import Any

import msgspec

from tidemill.core.errors import InputError
from tidemill.core.graph import FORMAT, Workflow
from tidemill.core.ids import Digest, digest_of
from tidemill.core.nesting import is_json_deep
from tidemill.core.shape import DEPTH_LIMIT, is_too_deep

DOCUMENT_LIMIT_BYTES = 4 * 1024 * 1024
NESTING_LIMIT = 500  # of the JSON: graphs of the greatest depth stay well below
_decode = msgspec.json.Decoder(Workflow).decode


class DocumentError(InputError):
    """No graph document, or one of a version that this server does not know."""


class _Format(msgspec.Struct):
    format: str


def parse_document(document: bytes) -> Workflow:
    """Read a graph document.

    Raises:
        DocumentError: too large, not JSON, another format version (with what to do), or a wrong field (with its path).
    """
    if len(document) > DOCUMENT_LIMIT_BYTES:
        raise DocumentError(f"the graph has {len(document)} bytes; at most {DOCUMENT_LIMIT_BYTES} are taken")
    if is_json_deep(document, NESTING_LIMIT):
        raise DocumentError(f"the graph's JSON is nested deeper than {NESTING_LIMIT} levels")
    try:
        found = msgspec.json.decode(document, type=_Format).format
        if found != FORMAT:
            raise DocumentError(f"the graph is of format {found!r}, this server reads {FORMAT!r}: {_advice(found)}")
        workflow = _decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"this is no graph document: {error}") from None
    if is_too_deep(workflow):
        raise DocumentError(f"the graph is nested deeper than {DEPTH_LIMIT} levels")
    return workflow


def _advice(found: str) -> str:
    family, _, version = found.partition("/")
    newer = family == FORMAT.partition("/")[0] and version.isdecimal() and int(version) > 1
    return "upgrade the server" if newer else "build it again with this version of tidemill"


def document_of(workflow: Workflow) -> bytes:
    """The canonical bytes: JSON with sorted keys."""
    return msgspec.json.encode(workflow, order="sorted")


def graph_schema() -> dict[str, Any]:
    """The JSON Schema of graph documents of this format."""
    schema = msgspec.json.schema(Workflow)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FORMAT, **schema}


def digest_of_document(document: bytes) -> Digest:
    return digest_of(document)
