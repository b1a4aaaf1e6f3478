"""uv, the installer: where it is, and one call of it."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tidemill.ports.environments import EnvironmentFaultError, Hear

_TOLD_LINES = 15
_LIFE_S = 10.0


def find_uv() -> str:
    """The uv that is installed beside Tidemill, else that of PATH. Raises EnvironmentFaultError."""
    with contextlib.suppress(ImportError, FileNotFoundError):
        return str(import_module("uv").find_uv_bin())
    if (found := shutil.which("uv")) is not None:
        return found
    raise EnvironmentFaultError("there is no uv, which makes environments: pip install 'tidemill[envs]', or install uv")


async def run_uv(arguments: Sequence[str], folder: Path, hear: Hear, held: Sequence[int] = ()) -> str:
    """What it prints on standard output. ``hear`` gets its other lines, and a sign of life while it says nothing.

    Args:
        held: open files that it holds too: a lock is not free before it has ended, also when we are killed.
    Raises:
        EnvironmentFaultError: with its last lines.
    """
    process = await asyncio.create_subprocess_exec(
        find_uv(),
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=held,
        limit=1024 * 1024,
        start_new_session=True,  # Ctrl-C reaches us, and we end it
    )
    last: deque[str] = deque(maxlen=_TOLD_LINES)
    try:
        async with asyncio.TaskGroup() as group:
            alive = group.create_task(_say_alive(hear))
            printed = group.create_task(_all_of(process.stdout))
            await _listen(process.stderr, last, hear)
            code = await process.wait()
            out = await printed
            alive.cancel()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code != 0:
        lines = "\n".join(f"  {line}" for line in last)
        raise EnvironmentFaultError(
            f"uv {' '.join(arguments[:2])} ended with exit code {code}; its last lines:\n{lines}"
        )
    return out


async def _listen(stream: asyncio.StreamReader | None, last: deque[str], hear: Hear) -> None:
    while stream is not None and (line := await stream.readline()):
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            last.append(text)
            if not text.startswith((" + ", " - ", " ~ ")):
                hear(text)


async def _all_of(stream: asyncio.StreamReader | None) -> str:
    return (await stream.read()).decode("utf-8", "replace") if stream is not None else ""


async def _say_alive(hear: Hear) -> None:
    waited = 0.0
    while True:
        await asyncio.sleep(_LIFE_S)
        waited += _LIFE_S
        hear(f"… {waited:.0f} s")
