"""Finding what a user wrote.

In this order, the first that fits:

1. a folder with a spec (``worker.tsp``, or its only ``*.tsp``), or a file that ends in ``.tsp``: the worker that it
   declares, with the program beside it
2. a folder with a ``main.py``: the folder is put first on ``sys.path``, and each Worker and Workflow at the top level
   of ``main`` is taken
3. a file that ends in ``.py``: the same with that file and its folder
4. ``module:name``: that Worker or Workflow of an importable module
5. an entry point of the group ``tidemill.workers`` that an installed package declares: what it names, a Worker, a
   Workflow, several in a list, or a module
6. ``module``: each Worker and Workflow at its top level
"""

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemill.core.errors import InputError
from tidemill.interface.typespec.folders import SUFFIX, spec_in, worker_of_spec
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.worker import Worker
from tidemill.sdk.workflow import Workflow

GROUP = "tidemill.workers"  # of entry points
_OURS = str(Path(__file__).parent.parent)


class TargetError(InputError):
    """A target that is not there, cannot be imported, or holds nothing to run."""


class NoSuchTargetError(TargetError):
    """There is no such folder, file or module; the text may be the name of something that a server knows."""


@dataclass(frozen=True)
class Target:
    """What a target holds. ``folder`` is where its files are, to be looked at for changes."""

    text: str
    folder: Path
    workers: tuple[Worker, ...]
    workflows: tuple[Workflow[..., Any], ...]


def load_target(text: str) -> Target:
    """Import what ``text`` names. Raises TargetError."""
    path = Path(text)
    if path.is_dir():
        return _from_folder(text, path)
    if _is_path(text):
        _check_file(text, path)
        return _from_spec(text, path) if text.endswith(SUFFIX) else _from_file(text, path)
    if (declared := installed(text)) is not None:
        return _from_entry_point(text, declared)
    name, _, variable = text.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"{text} is no folder, no file, no module and no installed entry point")
    if "" not in sys.path:
        sys.path.insert(0, "")
    module = import_named(text, name)
    return _target(text, module, Path(module.__file__ or ".").resolve().parent, variable)


def folder_of(text: str) -> Path:
    """Where a target's files are, without importing it. Raises TargetError for a path that is not there."""
    path = Path(text)
    if path.is_dir():
        return path.resolve()
    if _is_path(text):
        _check_file(text, path)
        return path.resolve().parent
    return Path.cwd()


def installed(name: str) -> EntryPoint | None:
    """What an installed package declares under this name. Raises TargetError when two packages do."""
    found = {(each.value, each.dist and each.dist.name): each for each in entry_points(group=GROUP, name=name)}
    if len(found) > 1:
        told = " and ".join(f"{package} ({value})" for value, package in found)
        raise TargetError(f"several packages declare the worker {name}: {told}; name one as module:variable")
    return next(iter(found.values()), None)


def _from_entry_point(text: str, declared: EntryPoint) -> Target:
    try:
        value = declared.load()
    except Exception as error:
        raise TargetError(_told(f"{text} ({declared.value})", error)) from error
    module = sys.modules[declared.module]
    folder = Path(module.__file__ or ".").resolve().parent
    if isinstance(value, ModuleType):
        return _target(text, value, folder, "")
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(each, Worker | Workflow) for each in values):
        raise TargetError(f"the entry point {text} names {declared.value}, which is no worker and no workflow")
    workers = tuple(each for each in values if isinstance(each, Worker))
    return Target(text, folder, workers, tuple(each for each in values if isinstance(each, Workflow)))


def _is_path(text: str) -> bool:
    return text.endswith((".py", SUFFIX)) or "/" in text


def _check_file(text: str, path: Path) -> None:
    if not path.is_file():
        raise TargetError(f"there is no {'file' if text.endswith(('.py', SUFFIX)) else 'folder'} {text}")


def _from_folder(text: str, folder: Path) -> Target:
    if (spec := spec_in(folder)) is not None:
        return _from_spec(text, spec)
    if not (folder / "main.py").is_file():
        raise TargetError(f"the folder {text} has no main.py and no worker.tsp; name a file, or module:variable")
    return _from_file(text, folder / "main.py")


def _from_spec(text: str, path: Path) -> Target:
    try:
        worker = worker_of_spec(path)
    except OSError as error:
        raise TargetError(f"cannot read {path}: {error.strerror}") from None
    return Target(text, path.resolve().parent, (worker,), ())


def _from_file(text: str, path: Path) -> Target:
    return _target(text, import_file(text, path), path.resolve().parent, "")


def import_file(text: str, path: Path) -> ModuleType:
    """The module in a file, whose folder is put first on the path. Raises TargetError."""
    path = path.resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{text} is not a Python file")
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise TargetError(_told(text, error)) from error
    return module


def import_named(text: str, name: str) -> ModuleType:
    """Raises TargetError."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise NoSuchTargetError(f"there is no folder, no file, no module and no entry point {name}") from None
        raise TargetError(_told(text, error)) from error
    except Exception as error:
        raise TargetError(_told(text, error)) from error


def _target(text: str, module: ModuleType, folder: Path, variable: str) -> Target:
    public = vars(module)
    if variable:
        value = public.get(variable)
        if not isinstance(value, Worker | Workflow):
            names = [name for name, each in public.items() if isinstance(each, Worker | Workflow)]
            near = difflib.get_close_matches(variable, names, 3, 0.4) or names
            hint = f"; there is {', '.join(near)}" if near else ""
            raise TargetError(f"{module.__name__} has no worker or workflow {variable}{hint}")
        public = {variable: value}
    workers = _unique(each for each in public.values() if isinstance(each, Worker))
    workflows = _unique(each for each in public.values() if isinstance(each, Workflow))
    if not workers and not workflows:
        raise TargetError(f"{text} declares no worker and no workflow at its top level")
    return Target(text, folder, tuple(workers), tuple(workflows))


def _unique(values: Iterable[Any]) -> list[Any]:
    return list({id(each): each for each in values}.values())


def _told(text: str, error: Exception) -> str:
    """What went wrong on import, with the lines of the user's own code."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}: " if error.filename else ""
        line = f"\n    {error.text.strip()}" if error.text else ""
        return f"{text} cannot be read: {place}{error.msg}{line}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_theirs(each.filename)]
    what = str(error) if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
    lines = "".join(f"\n  {each.filename}:{each.lineno} in {each.name}\n    {each.line}" for each in frames[-5:])
    return f"{text} cannot be imported: {what}{lines}"


def _is_theirs(filename: str) -> bool:
    return not filename.startswith((_OURS, "<frozen"))
