"""`tidemill discover`: the manifest of a project, by importing it. No server is asked."""

import contextlib
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from tidemill.cli.manifests import read_manifest
from tidemill.cli.options import Output, output_option
from tidemill.cli.targets import TargetError, import_file, import_named
from tidemill.interface.manifest import Manifest, manifest_document, manifest_of, pretty_document
from tidemill.interface.typespec.folders import spec_in, worker_of_spec
from tidemill.sdk.worker import Worker

PROJECT_FILES = (("tidemill.toml", ()), ("pyproject.toml", ("tool", "tidemill")))
_NOT_THE_PROJECT = frozenset(("site-packages", "dist-packages", "node_modules"))


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--manifest", "file", type=click.Path(path_type=Path), help="Read this baked manifest; import nothing.")
@output_option
def discover(folder: Path, file: Path | None, output: Output) -> None:
    """Print the manifest of the project in FOLDER as JSON: its workers, their tasks and schemas.

    Of a folder with a spec (worker.tsp), that is the worker. Else the project's main module is imported: `main` of
    tidemill.toml or of [tool.tidemill] in pyproject.toml, a module or a file, else main.py. Every Worker is taken that
    it, or a module of the project that it imports, has at its top level. With --json, and where the output is no
    terminal, the JSON is on one line.
    """
    manifest = discovered(folder) if file is None else read_manifest(file)
    if output is Output.JSON or not sys.stdout.isatty():
        click.echo(manifest_document(manifest).decode())
    else:
        click.echo(pretty_document(manifest), nl=False)


def discovered(folder: Path) -> Manifest:
    """Raises TargetError, DefinitionError."""
    if not folder.is_dir():
        raise TargetError(f"there is no folder {folder}")
    root = folder.resolve()
    if (spec := spec_in(root)) is not None:
        return manifest_of([worker_of_spec(spec)])
    with contextlib.redirect_stdout(sys.stderr):  # what the project prints is no part of the manifest
        _import_main(root, folder)
    workers = list(_workers_under(root))
    if not workers:
        raise TargetError(f"{folder} declares no worker at the top level of its modules")
    return manifest_of(workers)


def _import_main(root: Path, folder: Path) -> ModuleType:
    main = _main_of(root) or "main.py"
    for place in (root / "src", root):
        if place.is_dir():
            sys.path.insert(0, str(place))
    if main.endswith(".py"):
        if not (root / main).is_file():
            raise TargetError(f'{folder} has no {main}; say which module is the main one: main = "…" in tidemill.toml')
        return import_file(str(folder / main), root / main)
    if not all(part.isidentifier() for part in main.split(".")):
        raise TargetError(f"{folder} names {main!r} as its main module, which is no module and no .py file")
    return import_named(main, main)


def _main_of(root: Path) -> str:
    for name, way in PROJECT_FILES:
        table: Any = _read_toml(root / name)
        for key in way:
            table = table.get(key, {}) if isinstance(table, Mapping) else {}
        main = table.get("main") if isinstance(table, Mapping) else None
        if main is not None:
            if not isinstance(main, str):
                raise TargetError(f"{name}: main is {main!r}; expected the name of a module or a file, a text")
            return main
    return ""


def _read_toml(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TargetError(f"cannot read {file}: {error}") from None


def _workers_under(root: Path) -> Iterator[Worker]:
    """Each worker that a module of the project has, once, in the order of import."""
    seen: set[int] = set()
    for module in list(sys.modules.values()):
        if not _is_inside(getattr(module, "__file__", None), root):
            continue
        for value in list(vars(module).values()):
            if isinstance(value, Worker) and id(value) not in seen:
                seen.add(id(value))
                yield value


def _is_inside(file: str | None, root: Path) -> bool:
    if not file:
        return False
    path = Path(file).resolve()
    if not path.is_relative_to(root):
        return False
    return not any(part in _NOT_THE_PROJECT or part.startswith(".") for part in path.relative_to(root).parts)
