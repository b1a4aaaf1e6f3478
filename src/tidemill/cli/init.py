"""`tidemill init`: a folder that runs, tests and type-checks at once."""

import json
import re
import tempfile
from enum import Enum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from tidemill.cli.options import Output, output_option
from tidemill.core.errors import InputError
from tidemill.core.url_names import url_name
from tidemill.interface.identifiers import RESERVED, free_name, identifier

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_TAKEN = ("main", "worker", "workflow", "tests", "count", "summarise", "local", "client", "map_over", "tidemill")


class InitError(InputError):
    """A name that cannot be used, or a place that is taken."""


class Kind(Enum):
    WORKER = "worker"
    WORKFLOW = "workflow"


@click.group()
def init() -> None:
    """Make a folder for something new: it runs, tests and type-checks at once. Nothing is overwritten."""


@init.command()
@click.argument("name")
@output_option
def worker(name: str, output: Output) -> None:
    """A folder NAME with a worker, a task and its tests."""
    _tell(make_project(Kind.WORKER, name, Path.cwd()), '--text "the tide comes in"', output)


@init.command()
@click.argument("name")
@output_option
def workflow(name: str, output: Output) -> None:
    """A folder NAME with a workflow, its tasks and their tests."""
    _tell(make_project(Kind.WORKFLOW, name, Path.cwd()), '--texts "high water" --texts low', output)


def _tell(folder: Path, options: str, output: Output) -> None:
    if output is Output.JSON:
        made = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        click.echo(json.dumps({"folder": str(folder), "files": made}))
        return
    click.echo(f"made {folder.name}: main.py, tests, pyproject.toml, README.md\n")
    click.echo(f"  cd {folder.name}\n  tidemill run . {options}")


def make_project(kind: Kind, name: str, where: Path) -> Path:
    """Make the folder ``name``; it appears as a whole. Raises InitError."""
    _check(name)
    folder = where / name
    if folder.exists() or folder.is_symlink():
        raise InitError(f"{name} is there already, and nothing is overwritten: choose another name, or move it away")
    words = {"name": name, "function": free_name(identifier(name).lower(), [*RESERVED, *_TAKEN])}
    try:
        with tempfile.TemporaryDirectory(dir=where, prefix=f".{name}.") as part:
            made = Path(part) / name
            _write(files("tidemill.cli") / "templates" / kind.value, made, words)
            made.rename(folder)
    except OSError as error:
        raise InitError(f"cannot make {folder}: {error.strerror}") from None
    return folder


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith(("-", "_")) or not url_name(name):
        raise InitError(
            f"{name!r} is no name for a project: letters, digits, '_' and '-', a letter first, none at the end"
        )
    if name.lower() in ("tidemill", "main", "tests"):
        raise InitError(f"{name} is the name of something that the project needs; choose another one")


def _write(template: Traversable, folder: Path, words: dict[str, str]) -> None:
    folder.mkdir()
    for each in template.iterdir():
        if each.is_dir():
            _write(each, folder / each.name, words)
            continue
        name = {"gitignore.txt": ".gitignore"}.get(each.name, each.name.removesuffix(".txt"))
        (folder / name).write_text(Template(each.read_text("utf-8")).substitute(words), "utf-8")
