"""The repository's own files, for the tests of this folder to look at."""

import ast
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "tidemill"
NOT_CODE = ("tests/typing/", "examples/shelf/samples/")
CODE = ("src/tidemill", "tests", "examples", "benchmarks")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A Python file: its place from the root, its text, its tree."""

    place: str
    text: str
    tree: ast.Module

    @property
    def length(self) -> int:
        return self.text.count("\n")

    @property
    def code_length(self) -> int:
        """Lines that hold code: no blank ones, no comments, no docstrings, no imports."""
        described = {
            line
            for node in ast.walk(self.tree)
            if isinstance(node, Definition | ast.Module) and ast.get_docstring(node, clean=False) is not None
            for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
        }
        held = {
            line
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for line in range(node.lineno, (node.end_lineno or 0) + 1)
        }
        lines = enumerate(self.text.splitlines(), start=1)
        return sum(
            1
            for number, line in lines
            if line.strip() and not line.lstrip().startswith("#") and number not in described | held
        )

    @property
    def package(self) -> str:
        """The part of Tidemill that it belongs to (`core`); "" outside and at the top."""
        parts = self.place.split("/")
        return parts[2] if parts[:2] == ["src", "tidemill"] and len(parts) > 3 else ""


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Each Python file of ours under these folders (default: the package), but data and what is wrong on purpose."""
    names = [place for place in our_files() if place.endswith(".py") and not place.startswith(NOT_CODE)]
    inside = [place for place in names if place.startswith(tuple(f"{f}/" for f in folders or ("src/tidemill",)))]
    return tuple(read_module(place, (ROOT / place).read_text("utf-8")) for place in inside)


@cache
def read_module(place: str, text: str) -> Module:
    return Module(place, text, ast.parse(text, place))


@cache
def our_files() -> tuple[str, ...]:
    """Tracked files and new ones that git does not ignore, as paths from the root."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    # A hook's GIT_DIR would point elsewhere.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout
    return tuple(sorted(place for place in set(listed.split("\0")) if place and (ROOT / place).is_file()))


def definitions(tree: ast.AST) -> Iterator[Definition]:
    return (node for node in ast.walk(tree) if isinstance(node, Definition))


def length(node: Definition) -> int:
    """Lines from `def` or `class` to the end, without the docstring: saying what a thing means costs nothing."""
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is None:
        return whole
    docstring = node.body[0]
    return whole - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each imported module or name in full (`os`, `tidemill.core.ids.RunId`) with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in names)
            case _:
                pass
