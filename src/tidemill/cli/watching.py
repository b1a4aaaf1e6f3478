"""Watching a run to its end, and what Ctrl-C means on the way."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterator
from enum import Enum, auto
from typing import Any, TypeVar

from tidemill.cli.asked import Asked
from tidemill.cli.outline import Outline
from tidemill.cli.screen import Screen
from tidemill.client.remote import AsyncRun
from tidemill.wire.api import Finished

T = TypeVar("T")

LOOK_S = 0.25


class Choice(Enum):
    WATCH = auto()
    DETACH = auto()
    CANCEL = auto()


class Interrupts:
    """SIGINT and SIGTERM as something to wait for."""

    def __init__(self) -> None:
        self.bell = asyncio.Event()
        self.count = 0

    def hear(self) -> None:
        self.count += 1
        self.bell.set()


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupts]:
    loop, heard = asyncio.get_running_loop(), Interrupts()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard.hear)
    try:
        yield heard
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def watch(run: AsyncRun[Any], screen: Screen, interrupts: Interrupts) -> Finished | None:
    """Show a run until it ends; None when the person who watches leaves it."""
    outline, asked, ended = Outline(run), Asked(run), asyncio.create_task(run.ended())
    try:
        while not ended.done():
            steps = await unless(interrupts, outline.read()) or ()
            screen.show(steps)
            for line in await unless(interrupts, asked.lines(steps)) or ():
                screen.say(line)
            await unless(interrupts, asyncio.wait([ended], timeout=LOOK_S))
            if interrupts.bell.is_set() and not ended.done():
                screen.close()
                match await _ask(screen, interrupts):
                    case Choice.DETACH:
                        return None
                    case Choice.CANCEL:
                        await run.cancel("cancelled from the command line")
                    case Choice.WATCH:
                        pass
        screen.show(await outline.read())
        return ended.result()
    finally:
        screen.close()
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)


async def unless(interrupts: Interrupts, work: Coroutine[Any, Any, T]) -> T | None:
    """What ``work`` gives; None as soon as there is an interrupt."""
    working, ringing = asyncio.create_task(work), asyncio.create_task(interrupts.bell.wait())
    try:
        await asyncio.wait([working, ringing], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        ringing.cancel()
        await asyncio.gather(working, ringing, return_exceptions=True)


async def _ask(screen: Screen, interrupts: Interrupts) -> Choice:
    """On a terminal; elsewhere, and when it is pressed again, Ctrl-C leaves the run."""
    interrupts.bell.clear()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Choice.DETACH
    screen.say("leave the run (l), cancel it (c), or go on watching (Enter)? Ctrl-C again leaves it.")
    answer = await unless(interrupts, _line())
    match ("l" if answer is None else answer).strip().lower()[:1]:
        case "l":
            return Choice.DETACH
        case "c":
            return Choice.CANCEL
        case _:
            return Choice.WATCH


async def _line() -> str:
    """A line from the terminal, without a thread that nobody can stop."""
    loop, said = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def read() -> None:
        line = sys.stdin.readline()
        if not said.done():
            said.set_result(line)

    loop.add_reader(sys.stdin, read)
    try:
        return str(await said)
    finally:
        loop.remove_reader(sys.stdin)
