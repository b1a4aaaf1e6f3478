"""`tidemill dev`: a server and a worker for each target, in one terminal, with reload on save."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tidemill.assembly.settings import Settings, read_settings
from tidemill.cli.children import Child
from tidemill.cli.console import line_printer
from tidemill.cli.finding import find_server
from tidemill.cli.household import open_household
from tidemill.cli.main import Exit
from tidemill.cli.options import data_option, url_option
from tidemill.cli.targets import folder_of
from tidemill.cli.watching import Interrupts, interruptible

LOOK_S = 0.5
SKIPPED = ("__pycache__", "node_modules", "tidemill-out")


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--port", help="Of the server; 0 takes a free one.  [default: TIDEMILL_PORT, or 7070]")
@url_option
@data_option
def dev(targets: tuple[str, ...], **given: Any) -> Exit:
    """Run a server, and a worker for each of TARGETS, until Ctrl-C.

    TARGETS are folders, files or modules, as for `tidemill worker`. A worker that dies is started again; when a Python
    file in its folder changes, it ends what runs and starts anew. A server that runs already is used.
    """
    settings = read_settings(given)
    folders = {target: folder_of(target) for target in targets}
    return asyncio.run(_go(settings, folders))


async def _go(settings: Settings, folders: Mapping[str, Path]) -> Exit:
    width = max(len("server"), *map(len, map(_short, folders)), 0)
    with interruptible() as interrupts:
        async with open_household() as house:
            found = None if settings.port == 0 else await find_server(settings)
            url = found.url if found else await house.server(settings, line_printer("server", width, 0))
            click.echo(
                f"page: {url}" + ("" if folders else "   (name a folder to run its worker: tidemill dev FOLDER)")
            )
            children: dict[Path, list[Child]] = {}
            for number, (target, folder) in enumerate(folders.items(), 1):
                hear = line_printer(_short(target), width, number)
                children[folder] = [*children.get(folder, []), house.worker(target, url, settings.data, hear)]
            await _reload_until_told(children, interrupts)
            click.echo("stopping", err=True)
    return Exit.OK


async def _reload_until_told(children: Mapping[Path, Sequence[Child]], interrupts: Interrupts) -> None:
    seen = {folder: await asyncio.to_thread(stamps, folder) for folder in children}
    while not interrupts.bell.is_set():
        try:
            async with asyncio.timeout(LOOK_S):
                await interrupts.bell.wait()
        except TimeoutError:
            for folder, those in children.items():
                now = await asyncio.to_thread(stamps, folder)
                if now != seen[folder]:
                    click.echo(f"{_changed(seen[folder], now)} changed: reloading")
                    for child in those:
                        child.restart()
                seen[folder] = now


def stamps(folder: Path) -> dict[str, int]:
    """When each Python file and spec below a folder was written; hidden folders do not count."""
    found = {}
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        for name in files:
            if name.endswith((".py", ".tsp")):
                path = Path(top) / name
                try:
                    found[str(path)] = path.stat().st_mtime_ns
                except OSError:
                    continue
    return found


def _changed(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    return Path(next(name for name in {**now, **before} if before.get(name) != now.get(name))).name


def _short(target: str) -> str:
    return Path(target).name or target
