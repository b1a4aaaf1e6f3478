"""Tasks that wait for a gate: a file. What they give is the number of their process."""

import asyncio
import os
import time
from pathlib import Path

from tidemill import Worker

waiters = Worker("waiters", concurrency=1)


@waiters.task
def hold(gate: str) -> int:
    while not Path(gate).exists():
        time.sleep(0.02)
    return os.getpid()


@waiters.task
def hold_once(gate: str, mark: str) -> int:
    """Each time that it begins leaves a line in the mark."""
    with Path(mark).open("a") as file:
        file.write("begun\n")
    return hold(gate)


@waiters.task
async def hold_kindly(gate: str) -> int:
    while not Path(gate).exists():  # noqa: ASYNC110 - the gate is a file
        await asyncio.sleep(0.02)
    return os.getpid()
