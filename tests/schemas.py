"""The published JSON Schemas: `python -m tests.schemas` writes them anew."""

import json
from inspect import cleandoc
from pathlib import Path
from typing import Any

from tidemill.core.documents import graph_schema
from tidemill.interface.manifest import manifest_schema
from tidemill.wire.program import program_schema
from tidemill.wire.worker import protocol_schema

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"


def published() -> dict[str, dict[str, Any]]:
    """What the code says, by the name of its file."""
    return {
        "graph-1.json": graph_schema(),
        "manifest-1.json": manifest_schema(),
        "program-1.json": program_schema(),
        "worker-1.json": protocol_schema(),
    }


def text_of(schema: dict[str, Any]) -> str:
    return json.dumps(_cleaned(schema), indent=2, sort_keys=True) + "\n"


def _cleaned(part: Any) -> Any:
    """Descriptions without the indent of the source, which Python keeps before 3.13."""
    match part:
        case dict():
            return {
                key: cleandoc(each) if key == "description" and isinstance(each, str) else _cleaned(each)
                for key, each in part.items()
            }
        case list():
            return [_cleaned(each) for each in part]
        case _:
            return part


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in published().items():
        (FOLDER / name).write_text(text_of(schema), "utf-8")
