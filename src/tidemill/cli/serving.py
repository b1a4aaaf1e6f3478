"""A server for as long as a command runs: one that is there, one of our own, or first the one and then the other.

One server holds a data folder, by a lock. Commands that start at once each try to be the one; who finds the lock taken
uses the server of who has it. Such a server ends with its command. Then a new one is started at the same address, so
that clients and workers find it without being told; who comes second finds the lock or the port taken, and uses that.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tidemill.assembly.settings import Settings
from tidemill.cli.children import Hear
from tidemill.cli.finding import Found, Stay, answers, find_of_folder, find_server
from tidemill.cli.household import LOOK_S, START_S, Household, TakenError
from tidemill.core.errors import UnavailableError


class MovedError(UnavailableError):
    """The server of the data folder is at another address now."""

    def __init__(self, data: Path, url: str) -> None:
        super().__init__(f"the server of {data} is at {url} now")


async def find_or_start(settings: Settings, house: Household, hear: Hear) -> Found:
    """A server that runs already, or one of our own on the data folder, at a free port.

    Raises:
        TakenError: another server has the data folder and answers nowhere.
    """
    gives_up_at = asyncio.get_running_loop().time() + START_S
    is_taken = False
    while True:
        found = await find_server(settings)
        if found is not None:
            if is_taken:
                click.echo(f"another command has begun to serve {settings.data}, at {found.url}: using that", err=True)
            return found
        try:
            return Found(await house.server(replace(settings, port=0), hear), Stay.PASSES)
        except TakenError:
            if asyncio.get_running_loop().time() > gives_up_at:
                raise
            is_taken = True
            await asyncio.sleep(LOOK_S)


async def take_over(settings: Settings, house: Household, url: str, hear: Hear) -> None:
    """Returns when a server of the data folder answers at ``url`` again: one of our own, unless another was quicker.

    Raises:
        MovedError: one answers elsewhere.
        TakenError: none answers, and the data folder or the port is taken.
    """
    gives_up_at = asyncio.get_running_loop().time() + START_S
    there = replace(settings, port=urlsplit(url).port or settings.port)
    while await answers(url) is None:
        moved = await find_of_folder(settings.data)
        if moved is not None and moved.url != url:
            raise MovedError(settings.data, moved.url)
        try:
            served = await house.server(there, hear)
            if served != url:
                raise MovedError(settings.data, served)
        except TakenError:
            if asyncio.get_running_loop().time() > gives_up_at:
                raise
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this while the block runs; an error of it ends the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
