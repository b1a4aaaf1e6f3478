"""A running program: what it writes, its end, and the signals that reach it and all that it started.

It leads a process group of its own. Its end is seen before it is reaped: while its number is still taken, what it left
running in its group is killed, and nobody else's process can be hit.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from tidemill.adapters.backends.program.lines import Lines
from tidemill.sdk.errors import PermanentError

PIECE_BYTES = 64 * 1024
LOOK_S = 0.02  # between looks for its end, where the system cannot tell


class Leash:
    """Made and read by one thread; ``send`` may be called from any.

    Raises:
        PermanentError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], folder: str, environment: Mapping[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise PermanentError(f"{command[0]} cannot be started: {_reason(error)}") from None
        self._lock = threading.Lock()
        self._is_reaped = False
        self.peak_kib = 0  # the most memory that it had, or one that it waited for; known at its end

    def lines(self) -> Iterator[tuple[bool, bytes]]:
        """What it writes until its end, as (whether on stdout, line). Then nothing of its group runs any more."""
        with selectors.DefaultSelector() as selector, _telling(selector, self._process.pid):
            writing = [self._listened(selector, self._process.stdout), self._listened(selector, self._process.stderr)]
            while not self._has_ended():
                timeout = None if _can_tell(selector) else LOOK_S
                ready = {key.fileobj for key, _ in selector.select(timeout)}
                for each in writing:
                    if each.pipe in ready:
                        yield from each.read(selector)
            self.send(signal.SIGKILL)
            for each in writing:
                yield from each.drain()

    def end(self) -> int:
        """Kill what is left, and reap it; its exit code, or minus the number of the signal that ended it."""
        if not self._has_ended():
            self.send(signal.SIGKILL)
        with self._lock:
            returncode = self._reaped()
            self._is_reaped = True
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        return returncode

    def _reaped(self) -> int:
        if self._process.returncode is None:
            _, status, usage = os.wait4(self._process.pid, 0)
            self.peak_kib = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)  # bytes there, KiB elsewhere
            self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode

    def send(self, number: signal.Signals) -> None:
        """A signal to the whole group; nothing once it is gone."""
        with self._lock:
            if not self._is_reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _listened(self, selector: selectors.BaseSelector, pipe: IO[bytes] | None) -> "_Pipe":
        if pipe is None:
            raise TypeError("a program writes into pipes")
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe, selectors.EVENT_READ)
        return _Pipe(pipe, is_stdout=pipe is self._process.stdout)


class _Pipe:
    def __init__(self, pipe: IO[bytes], *, is_stdout: bool) -> None:
        self.pipe, self._is_stdout = pipe, is_stdout
        self._lines = Lines()
        self._is_open = True

    def read(self, selector: selectors.BaseSelector | None = None) -> Iterator[tuple[bool, bytes]]:
        piece = self._piece()
        if piece == b"" and selector:
            selector.unregister(self.pipe)
        for line in self._lines.feed(piece or b""):
            yield self._is_stdout, line

    def drain(self) -> Iterator[tuple[bool, bytes]]:
        """What lies in the pipe; a process that left the group may hold it open, so its end is not waited for."""
        while piece := self._piece():
            for line in self._lines.feed(piece):
                yield self._is_stdout, line
        for line in self._lines.end():
            yield self._is_stdout, line

    def _piece(self) -> bytes | None:
        """b"" at its end, None when nothing is there now."""
        try:
            return os.read(self.pipe.fileno(), PIECE_BYTES)
        except BlockingIOError:
            return None


@contextlib.contextmanager
def _telling(selector: selectors.BaseSelector, pid: int) -> Iterator[None]:
    """Let the selector wake at the end of a process, where the system can tell it."""
    try:
        watch = os.pidfd_open(pid)
    except (AttributeError, OSError):
        yield
        return
    selector.register(watch, selectors.EVENT_READ, _ENDS)
    try:
        yield
    finally:
        selector.unregister(watch)
        os.close(watch)


_ENDS = "ends"


def _can_tell(selector: selectors.BaseSelector) -> bool:
    return any(key.data == _ENDS for key in selector.get_map().values())


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such program (or its interpreter, in its first line, is missing)"
    if isinstance(error, PermissionError):
        return "it is not executable (chmod +x)"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
