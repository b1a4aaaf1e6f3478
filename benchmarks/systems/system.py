"""What the harness asks of a system: processes to start, and a client to drive it with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks.processes import Program

Handle = Any  # of a task in flight; only the client that gave it looks into it


class NotPossibleError(Exception):
    """A system cannot do a workload; the text says why."""


class Client(Protocol):
    """Lives in the client process.

    ``polls``: waiting for a result asks again and again, so few may wait at once. ``has_both``: one worker runs tasks
    in itself and in processes.
    """

    polls: bool
    has_both: bool

    async def open(self) -> None:
        """Connect; returns when a worker has done a task."""
        ...

    async def start(self) -> Handle:
        """Submit a no-op; returns once it is durable."""
        ...

    async def start_apart(self) -> Handle:
        """Submit a no-op that runs in a process of its own."""
        ...

    async def finish(self, handle: Handle) -> None:
        """Wait for a no-op's result, and see that it is the right one."""
        ...

    async def start_turn(self, data: bytes) -> Handle:
        """Submit the task that gives ``data`` back with its first byte put last."""
        ...

    async def finish_turn(self, handle: Handle) -> bytes: ...

    async def fan_out(self, count: int) -> None:
        """``count`` tasks at once and one that joins their results."""
        ...

    async def chain(self, count: int) -> None:
        """``count`` tasks in a row, each with the result of the one before."""
        ...

    async def loop(self, count: int) -> None:
        """``count`` tasks in a row, decided one after the other."""
        ...

    async def close(self) -> None: ...


class System(Protocol):
    """Lives in the harness. ``address`` is handed to the client process."""

    name: str
    note: str

    def versions(self) -> Mapping[str, str]: ...

    def refusal(self, workload: str) -> str:
        """Why it cannot do a workload; "" when it can."""
        ...

    def start(self, folder: Path) -> Mapping[str, Program]:
        """The processes that stay for the whole repetition, on an empty store in ``folder``."""
        ...

    def start_worker(self, folder: Path, workload: str) -> Program: ...

    def address(self, folder: Path) -> str: ...
