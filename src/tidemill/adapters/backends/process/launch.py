"""A process of the machine: started and awaited in a thread of its own, killed with all that it has started."""

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.adapters.backends.process.system import kill_group, name_of


@dataclass(frozen=True)
class Command:
    """What is started: ``arguments``, then the numbers of the socket and of the lifeline."""

    arguments: Sequence[str]
    folder: str  # it is started here, as the worker was, whatever tasks have done to the worker's own
    variables: Callable[[], Mapping[str, str]]  # a copy: a thread that sets one now may move those that a start reads


@dataclass(frozen=True)
class Ends:
    """The child's ends of what connects it with its worker."""

    channel: int
    lifeline: int
    stdout: int
    stderr: int


class Launch:
    """On the control loop.

    Args:
        died: called there when the process and its group are gone.
    """

    def __init__(self, command: Command, died: Callable[[], None]) -> None:
        self._command, self._on_death = command, died
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_doomed = False
        self.code: int | None = None  # how it ended

    async def start(self, ends: Ends) -> None:
        """Raises OSError when the machine has no room for one more."""
        started: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._live, args=(ends, started), name="tidemill-process", daemon=True).start()
        await started
        if self._is_doomed:
            self.kill()

    def kill(self) -> None:
        """It, its group and its family; as soon as it is there."""
        self._is_doomed = True
        if self._process and self.code is None:
            kill_group(self._process.pid)

    @property
    def how(self) -> tuple[str, str]:
        """How it ended: a name, and a sentence."""
        name = name_of(self.code or 0)
        if (self.code or 0) >= 0:
            return name, f"its process ended with {name}"
        memory = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
        return name, f"its process was killed by {name}{memory}"

    def _live(self, ends: Ends, started: "asyncio.Future[None]") -> None:
        """In a thread. The dead one is buried on the loop, so that no kill can hit another that has its number."""
        try:
            process = self._process = subprocess.Popen(
                [*self._command.arguments, str(ends.channel), str(ends.lifeline)],
                stdin=subprocess.DEVNULL,
                stdout=ends.stdout,
                stderr=ends.stderr,
                pass_fds=(ends.channel, ends.lifeline),
                start_new_session=True,
                cwd=self._command.folder,
                env=self._command.variables(),
            )
        except OSError as error:
            self._tell(_settle, started, error)
            return
        self._tell(_settle, started, None)
        _await_end(process)
        kill_group(process.pid)
        self._tell(self._bury, process)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        self.code = process.wait()
        self._on_death()

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *args)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Its number is not given to another process before it is buried, where the system lets us look without that."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def _settle(started: "asyncio.Future[None]", error: OSError | None) -> None:
    if started.done():
        return
    if error is None:
        started.set_result(None)
    else:
        started.set_exception(error)
