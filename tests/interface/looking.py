"""How stubs are looked at: imported from a text, formatted by ruff, their schemas written out."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemill.core.definitions import undescribed
from tidemill.core.graph import Schema

_numbers = itertools.count()


def imported(text: str, folder: Path) -> ModuleType:
    path = folder / f"written_{next(_numbers)}.py"
    path.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_task(module: ModuleType, name: str) -> Any:
    (found,) = [each for each in vars(module).values() if getattr(each, "kind", "") == "task" and each.name == name]
    return found


def expanded(schema: Any, defs: dict[str, Schema], trail: tuple[str, ...] = ()) -> Any:
    """A schema without names of its own, to be compared."""
    match schema:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            title = defs[name].get("title", "")
            aside = {key: each for key, each in schema.items() if key == "default"}
            return {"back": title} if title in trail else aside | expanded(defs[name], defs, (*trail, title))
        case dict():
            kept = {key: each for key, each in schema.items() if key not in ("$defs", "discriminator")}
            return {key: expanded(each, defs, trail) for key, each in kept.items()}
        case list():
            return [expanded(each, defs, trail) for each in schema]
        case _:
            return schema


def told(task: Any) -> Any:
    """All that the schemas of a task say."""
    own = task.definition
    schemas = {"in": own.inputs, "item": own.item or {}, **{f"out {port}": each for port, each in own.outputs.items()}}
    return {name: undescribed(expanded(each, each.get("$defs", {}))) for name, each in schemas.items()}


def formatted(text: str) -> str:
    options = ("--isolated", "--line-length", "120", "--target-version", "py311")
    command = [sys.executable, "-m", "ruff", "format", *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
