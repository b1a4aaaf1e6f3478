"""Bodies that are told to stop and go on: async code that swallows it, and a program that ignores its signals."""

import asyncio
from pathlib import Path

from tidemill import Worker

deaf_too = Worker("deaf_too")
STUBBORN = ["bash", "-c", "trap '' TERM INT; while :; do sleep 0.1; done"]


async def _go_on(gate: str) -> str:
    while not Path(gate).exists():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            continue
    return "at last"


@deaf_too.task
async def coroutine(gate: str) -> str:
    return await _go_on(gate)


@deaf_too.task(silence=0.3)
async def coroutine_in_silence(gate: str) -> str:
    return await _go_on(gate)


@deaf_too.program(command=STUBBORN)
def program(gate: str) -> str: ...


@deaf_too.program(command=STUBBORN, silence=0.3)
def program_in_silence(gate: str) -> str: ...
