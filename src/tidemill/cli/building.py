"""Environments while they are built, listed, and taken away."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from tidemill.assembly.environments import open_environments
from tidemill.assembly.settings import Settings
from tidemill.cli.asking import print_json
from tidemill.cli.children import Hear
from tidemill.cli.console import line_printer
from tidemill.cli.main import Exit
from tidemill.cli.options import Output
from tidemill.cli.show import size
from tidemill.core.errors import InputError
from tidemill.ports.environments import Environments, Recipe

_LACKING = ("not built", "cannot be built")


class Building:
    """What is being built: a spinner with the last word of each on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._status: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.console import Console

            self._status = Console(highlight=False).status("")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    def teller(self, name: str, hear: Hear) -> Hear:
        """For the lines of the build of ``name``, an empty one when it is over; ``hear`` prints those that stay."""

        def tell(line: str) -> None:
            if not line:
                self.done(name)
                return
            if self._status is None or not line.startswith("…"):
                hear(line)
            if self._status is not None:
                self._last[name] = line
                self._show()

        return tell

    def done(self, name: str) -> None:
        if self._last.pop(name, None) is not None:
            self._show()

    def _show(self) -> None:
        if self._status is None:
            return
        if not self._last:
            self._status.stop()
            return
        from rich.text import Text

        self._status.update(
            Text("; ".join(f"{name}: {line}" for name, line in self._last.items()), overflow="ellipsis")
        )
        self._status.start()


def build_all(folders: Sequence[Path], settings: Settings) -> Exit:
    """`Exit.FAILED` when an environment cannot be built; the others are."""
    environments, width = open_environments(settings), max(len(each.name) for each in folders)

    async def build(folder: Path, hear: Hear) -> Exit:
        try:
            recipe = await environments.recipe(folder)
            if recipe is None:
                hear("declares no dependencies: it runs beside Tidemill")
                return Exit.OK
            async with environments.use(recipe, building.teller(folder.name, hear)) as path:
                hear(f"environment: {path}")
        except InputError as error:
            for line in str(error).splitlines():
                hear(line)
            return Exit.FAILED
        finally:
            building.done(folder.name)
        return Exit.OK

    async def build_each() -> Sequence[Exit]:
        hears = [line_printer(each.name, width, number) for number, each in enumerate(folders)]
        return await asyncio.gather(*map(build, folders, hears))

    with Building() as building:
        return max(asyncio.run(build_each()))


def list_all(folders: Sequence[Path], settings: Settings, output: Output) -> Exit:
    """Each folder's environment, and those that no folder wants. `Exit.FAILED` when one is still to be built."""
    environments = open_environments(settings)
    wanted, kept = _wanted(folders, environments), {each.digest: each for each in environments.kept()}
    rows = [_row(folder.name, recipe, environments, kept) for folder, recipe in wanted.items()]
    named = {recipe.digest for recipe in wanted.values() if isinstance(recipe, Recipe)}
    old = [each for each in kept.values() if each.digest not in named]
    rows += [
        _line("", each.digest, f"old, of {each.folder or 'a build that was cut off'}", each.size_bytes) for each in old
    ]
    if output is Output.JSON:
        print_json({"environments": rows})
    else:
        for row in rows:
            told = size(row["size_bytes"]) if row["size_bytes"] else ""
            click.echo(f"{row['folder']:<16}{row['digest'] or '':<34}{told:>10}  {row['state']}".rstrip())
    return Exit.FAILED if any(row["state"].startswith(_LACKING) for row in rows) else Exit.OK


def prune(folders: Sequence[Path], settings: Settings) -> Exit:
    """Take away the environments that none of the folders wants and no process uses."""
    environments = open_environments(settings)
    wanted = _wanted(folders, environments)
    if faults := [each for each in wanted.values() if isinstance(each, InputError)]:
        raise faults[0]  # what it wants is not known, so it might be what would be taken away
    named = {recipe.digest for recipe in wanted.values() if isinstance(recipe, Recipe)}
    for each in environments.kept():
        if each.digest not in named:
            done = environments.remove(each.digest)
            click.echo(f"{'took away' if done else 'in use, kept:'} {each.digest}  {size(each.size_bytes)}")
    return Exit.OK


def _wanted(folders: Sequence[Path], environments: Environments) -> dict[Path, Recipe | InputError | None]:
    async def look(folder: Path) -> Recipe | InputError | None:
        try:
            return await environments.recipe(folder)
        except InputError as error:
            return error

    async def look_at_all() -> dict[Path, Recipe | InputError | None]:
        return {folder: await look(folder) for folder in folders}

    return asyncio.run(look_at_all())


def _row(name: str, recipe: Recipe | InputError | None, environments: Environments, kept: Any) -> dict[str, Any]:
    match recipe:
        case None:
            return _line(name, None, "none: no dependencies declared", 0)
        case InputError():
            return _line(name, None, f"cannot be built: {recipe}", 0)
        case _:
            is_built = environments.built(recipe) is not None
            size_bytes = kept[recipe.digest].size_bytes if recipe.digest in kept else 0
            return _line(name, recipe.digest, recipe.made_of.value if is_built else "not built", size_bytes)


def _line(folder: str, digest: str | None, state: str, size_bytes: int) -> dict[str, Any]:
    return {"folder": folder, "digest": digest, "state": state, "size_bytes": size_bytes}


ACTIONS: dict[str, Callable[[Sequence[Path], Settings, Output], Exit]] = {
    "build": lambda folders, settings, _: build_all(folders, settings),
    "envs": list_all,
    "prune": lambda folders, settings, _: prune(folders, settings),
}
