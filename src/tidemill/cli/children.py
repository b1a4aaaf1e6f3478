"""Processes that a command starts for itself: kept alive while it runs, gone when it is gone.

Each one has its standard input from us and ends when that ends, so that nothing is left behind, however we end. Each is
in a process group of its own, so that Ctrl-C reaches only us, and we stop them in order.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Hear = Callable[[str], None]

STEADY_S = 10.0  # one that lived this long is started again at once
DELAYS_S = (0.1, 0.5, 1.0, 2.0, 5.0)
PATIENCE_S = 40.0  # for a child to end in order
KEPT_LINES = 30
LINE_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Interpreter:
    """The Python that a child runs in, and its variables; None: ours."""

    program: str = field(default_factory=lambda: sys.executable)
    variables: Mapping[str, str] | None = None


class Child:
    """One `tidemill …` process; when it dies, it is started again, later and later.

    Args:
        hear: gets each line that it prints.
        most_deaths: in a row, after which it is not started any more; None: always.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        hear: Hear,
        interpreter: Interpreter | None = None,
        most_deaths: int | None = None,
    ) -> None:
        self.name, self.arguments, self._hear = name, list(arguments), hear
        self._interpreter, self._most_deaths = interpreter or Interpreter(), most_deaths
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.deaths = 0  # in a row
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def keep(self) -> None:
        """Until `stop`, or until it has died too often: then `has_failed`."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._live()
            if self._stopping.is_set() or code == 0:
                continue
            self.deaths = 1 if loop.time() - began > STEADY_S else self.deaths + 1
            if self.has_failed:
                self._hear(f"{self.name} ended ({_how(code)}) {self.deaths} times in a row: it is not started any more")
                return
            delay_s = DELAYS_S[min(self.deaths, len(DELAYS_S)) - 1]
            self._hear(f"{self.name} ended ({_how(code)}); again in {delay_s:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()

    @property
    def has_failed(self) -> bool:
        return self._most_deaths is not None and self.deaths >= self._most_deaths

    async def _live(self) -> int:
        command = (self._interpreter.program, "-P", "-m", "tidemill", *self.arguments, "--end-with-parent")
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._interpreter.variables,
            start_new_session=True,
            limit=LINE_LIMIT,
        )
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        try:
            await self._listen(self._process)
            return await self._process.wait()
        finally:
            self._signal(signal.SIGKILL)  # only if we are cancelled: else it has ended

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        stream = process.stdout
        while stream is not None:
            try:
                line = await stream.readline()
            except ValueError:  # a line without end
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            self.last_lines.append(text)
            self._hear(text)

    def restart(self) -> None:
        """End it in order; `keep` starts it again at once."""
        self._signal(signal.SIGTERM)

    async def stop(self, keeping: "asyncio.Task[Any]", patience_s: float = PATIENCE_S) -> None:
        """End it in order, or after some time by force. ``keeping`` runs `keep`."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        await asyncio.wait([keeping], timeout=patience_s)
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
