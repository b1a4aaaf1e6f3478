"""What is executed in a storm. Each execution writes a line to a ledger of its own, which no part of Tidemill touches.

A result carries a mark, which no other execution has: so the recorded one can be told from all others.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from tidemill import Backend, Backoff, Context, PermanentError, TransientError, Worker, map_over, workflow

LEDGER = "STORM_LEDGER"  # the variable that names the file
SPIN_S = 60.0  # far more than the grace
LINKS = 6  # of a chain

storm = Worker("storm")
_numbers = count()


@dataclass(frozen=True)
class Mark:
    """A value, and who made it: attempt, process and number there."""

    value: int
    by: str


def note(ctx: Context, what: str, seen: Sequence[Mark] = ()) -> str:
    """Write down that this execution began, and what it saw; give its mark."""
    by = f"{ctx.attempt}-{os.getpid()}-{next(_numbers)}"
    line = f"{what} {ctx.run_id} {ctx.step_path} {ctx.attempt} {by} {digest(seen)} {time.time():.3f}\n"
    place = os.environ[LEDGER]
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())  # one write to a file opened for appending: it is whole, or not there
    finally:
        os.close(file)
    return by


def digest(seen: Sequence[Mark]) -> str:
    """What tells one sequence of results from another."""
    return sha256(",".join(mark.by for mark in seen).encode()).hexdigest()[:16] if seen else "-"


@storm.task
async def grain(ctx: Context, x: int, ms: int) -> Mark:
    by = note(ctx, "grain")
    await asyncio.sleep(ms / 1000)
    return Mark(x, by)


@storm.task
def sift(ctx: Context, x: int, ms: int) -> Mark:
    by = note(ctx, "sift")
    time.sleep(ms / 1000)
    return Mark(x, by)


@storm.task(retries=6, backoff=Backoff(first=0.05, most=0.5))
async def stubborn(ctx: Context, x: int, fails: int) -> Mark:
    by = note(ctx, "stubborn")
    await asyncio.sleep(0.02)
    if ctx.attempt <= fails:
        raise TransientError("not yet")
    return Mark(x, by)


@storm.task
async def broken(ctx: Context, x: int) -> Mark:
    note(ctx, "broken")
    raise PermanentError(f"{x} cannot be ground")


@storm.task
async def carry(ctx: Context, mark: Mark, ms: int) -> Mark:
    by = note(ctx, "carry", [mark])
    await asyncio.sleep(ms / 1000)
    return Mark(mark.value + 1, by)


@storm.task
async def add(ctx: Context, marks: list[Mark]) -> Mark:
    by = note(ctx, "add", marks)
    return Mark(sum(mark.value for mark in marks), by)


@storm.stream
async def tell(ctx: Context, length: int, ms: int) -> AsyncIterator[Mark]:
    by = note(ctx, "tell")
    for number in range(length):
        await asyncio.sleep(ms / 1000)
        yield Mark(number, by)


@storm.task
async def heavy(ctx: Context, data: bytes) -> bytes:
    """A large value in and out; the mark is at its end."""
    by = note(ctx, "heavy")
    return data[::-1] + by.encode()


@storm.task
async def hang(ctx: Context, seconds: float) -> Mark:
    by = note(ctx, "hang")
    await asyncio.sleep(seconds)
    return Mark(-1, by)


@storm.task
def toil(ctx: Context, seconds: float) -> Mark:
    """Sync code that looks whether it should stop."""
    by = note(ctx, "toil")
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        ctx.raise_if_cancelled()
        time.sleep(0.01)
    return Mark(-1, by)


@storm.task(backend=Backend.PROCESS)
def crunch(ctx: Context, x: int) -> Mark:
    by = note(ctx, "crunch")
    return Mark(sum(range(x)), by)


@storm.task(backend=Backend.PROCESS)
def spin(ctx: Context) -> Mark:
    """It never asks whether it should stop, and leaves the machine to others as well as it can."""
    os.nice(19)
    by = note(ctx, "spin")
    ends = time.monotonic() + SPIN_S
    while time.monotonic() < ends:
        pass
    return Mark(-1, by)


@workflow
def mapped(xs: list[int], ms: int) -> Mark:
    return add(map_over(lambda x: grain(x, ms), xs, window=24))


@workflow
def chained(x: int, ms: int) -> Mark:
    mark = grain.options(name="link0")(x, ms)
    for number in range(1, LINKS):
        mark = carry.options(name=f"link{number}")(mark, ms)
    return mark
