"""A folder of worker folders: each runs in an environment of its own, all of them as long as one command."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from tidemill.assembly.environments import open_environments
from tidemill.assembly.settings import Settings
from tidemill.assembly.signals import first_cause
from tidemill.cli.building import Building
from tidemill.cli.children import Hear
from tidemill.cli.console import line_printer
from tidemill.cli.household import Household
from tidemill.cli.main import Exit
from tidemill.cli.posts import Post
from tidemill.cli.targets import TargetError
from tidemill.cli.watching import Interrupts, interruptible
from tidemill.interface.typespec.folders import spec_in

SLACK_S = 10.0  # to end, after what still ran had its time


def worker_folders(place: Path) -> Sequence[Path]:
    """The folders in ``place`` that are workers, by name. Raises TargetError when there is none."""
    if not place.is_dir():
        raise TargetError(f"there is no folder {place}")
    found = [each for each in sorted(place.iterdir()) if not each.name.startswith(".") and _is_worker(each)]
    if not found:
        hint = f". {place} is a worker itself: tidemill worker {place}" if _is_worker(place) else ""
        raise TargetError(f"no folder in {place} has a main.py or a worker.tsp{hint}")
    return found


def _is_worker(folder: Path) -> bool:
    return folder.is_dir() and ((folder / "main.py").is_file() or spec_in(folder) is not None)


def run_folders(place: Path, settings: Settings, arguments: Sequence[str]) -> Exit:
    """Run the workers in ``place`` until told to stop. `Exit.FAILED` when one of them failed for good."""
    folders = worker_folders(place)
    width = max(len(each.name) for each in folders)
    with Building() as building:
        hears = [line_printer(each.name, width, number) for number, each in enumerate(folders)]
        posts = [
            Post(folder, arguments, open_environments(settings), building.teller(folder.name, hear), hear)
            for folder, hear in zip(folders, hears, strict=True)
        ]
        return asyncio.run(_hold_all(posts, settings.drain_s + SLACK_S))


async def start_folders(place: Path, settings: Settings, house: Household, url: str, hear: Hear) -> None:
    """Have the workers in ``place`` serve at ``url`` as long as ``house`` is open; ``hear`` gets what they say.

    Raises:
        NotStartedError: one cannot be built or started.
    """
    arguments = ["--url", url, "--data", str(settings.data)]
    with Building() as building:
        for folder in worker_folders(place):
            tell = building.teller(folder.name, line_printer(folder.name, len(folder.name), 0))
            await house.hold(Post(folder, arguments, open_environments(settings), tell, hear))


async def _hold_all(posts: Sequence[Post], patience_s: float) -> Exit:
    with interruptible() as interrupts, first_cause():
        async with asyncio.TaskGroup() as group:
            held = {group.create_task(post.hold(), name=post.folder.name): post for post in posts}
            await _rung_or(interrupts, held)
            if interrupts.count:
                click.echo("stopping: what runs may end; Ctrl-C again stops at once", err=True)
                stops = [group.create_task(post.stop(each, patience_s)) for each, post in held.items()]
                if not await _ended(stops, interrupts):
                    for each in [*stops, *held]:
                        each.cancel()
                    return Exit.INTERRUPTED
    failed = [post.folder.name for each, post in held.items() if not each.cancelled() and each.result() is Exit.FAILED]
    if failed:
        click.echo(f"failed for good: {', '.join(failed)}", err=True)
    return Exit.FAILED if failed else Exit.OK


async def _ended(stops: "Sequence[asyncio.Task[None]]", interrupts: Interrupts) -> bool:
    """False when a second signal came first."""
    interrupts.bell.clear()
    await _rung_or(interrupts, stops)
    return interrupts.count < 2


async def _rung_or(interrupts: Interrupts, tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Until all are done, or there is a signal."""
    ringing = asyncio.create_task(interrupts.bell.wait())
    waiting = asyncio.ensure_future(asyncio.wait(list(tasks)))
    try:
        await asyncio.wait([ringing, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ringing.cancel()
        waiting.cancel()
