"""What programs write that a task starts with `subprocess` or asyncio, and whose output nobody else takes.

By itself a program inherits the worker's own output, where nobody knows whose it was. So while a task's code runs, a
program that is started without a place for its output gets a pipe, which is read into the log of the attempt. One that
is started past Python's `subprocess` (``os.system``, ``os.fork``, a C library) still writes to the worker's output.
"""

import asyncio
import os
import subprocess
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

DRAIN_S = 1.0  # for what a program has written before its end; a child that it left behind may keep the pipe
LAST_S = 0.05  # the same at the end of a body, whose program may still run
_LINE_CHARACTERS = 64 * 1024  # a longer line becomes several
_PARAMETERS = ("args", "bufsize", "executable", "stdin", "stdout", "stderr")
_decoder = getincrementaldecoder("utf-8")


class LineTaker(Protocol):
    def log(self, level: str, logger: str, text: str) -> None: ...


@runtime_checkable
class Ending(Protocol):
    """A taker that knows when its body ends."""

    def before_end(self, call: Callable[[], None]) -> None: ...


Taking = Callable[[], LineTaker | None]


class Pipe:
    """One output of one program: ``writing`` is for the program, a thread reads the other end."""

    def __init__(self, level: str, taker: LineTaker) -> None:
        self._level, self._taker = level, taker
        self._reading, self.writing = os.pipe()
        self._thread = threading.Thread(target=self._read, name="tidemill-program-output", daemon=True)

    def start(self) -> None:
        """The program has its end, or there is none."""
        os.close(self.writing)
        self._thread.start()

    def drain(self, within_s: float) -> None:
        """Until all is taken that was written."""
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def _read(self) -> None:
        decoder, rest = _decoder("backslashreplace"), ""
        while piece := os.read(self._reading, 64 * 1024):
            *lines, rest = (rest + decoder.decode(piece)).split("\n")
            if len(rest) > _LINE_CHARACTERS:
                lines, rest = [*lines, rest], ""
            for line in lines:
                self._taker.log(self._level, "", line.removesuffix("\r"))
        os.close(self._reading)
        if rest := rest + decoder.decode(b"", final=True):
            self._taker.log(self._level, "", rest)


class Pipes:
    """Those of one program that is about to be started."""

    def __init__(self, taker: LineTaker | None) -> None:
        self._taker = taker
        self._made: list[Pipe] = []

    def place(self, given: Any, level: str) -> Any:
        """Where an output goes: a pipe of ours, unless it has a place."""
        if given is not None or self._taker is None:
            return given
        self._made.append(pipe := Pipe(level, self._taker))
        return pipe.writing

    def start(self) -> None:
        for pipe in self._made:
            pipe.start()
        if self._made and isinstance(self._taker, Ending):
            self._taker.before_end(lambda: self.drain(LAST_S))

    def drain(self, within_s: float = DRAIN_S) -> None:
        for pipe in self._made:
            pipe.drain(within_s)


@contextmanager
def captured_programs(taking: Taking) -> Iterator[None]:
    """For the life of a worker process: outputs of programs that tasks start go to ``taking()``."""
    start, wait = subprocess.Popen.__init__, subprocess.Popen.wait

    def started(self: Any, *args: Any, **kwargs: Any) -> None:
        pipes = Pipes(taking())
        given = {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}
        given["stdout"] = pipes.place(given.get("stdout"), "STDOUT")
        given["stderr"] = pipes.place(given.get("stderr"), "STDERR")
        try:
            start(self, *[given.pop(name) for name in _PARAMETERS[: len(args)]], *args[len(_PARAMETERS) :], **given)
        finally:
            pipes.start()
        self.tidemill_pipes = pipes

    def waited(self: Any, timeout: float | None = None) -> int:
        code = wait(self, timeout)
        if (pipes := getattr(self, "tidemill_pipes", None)) is not None:
            pipes.drain()
        return code

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    subprocess.Popen.wait = waited  # type: ignore[method-assign]
    try:
        yield
    finally:
        subprocess.Popen.__init__ = start  # type: ignore[method-assign]
        subprocess.Popen.wait = wait  # type: ignore[method-assign]


def hearing_loop(base: type[Any], taking: Taking) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes loops that do the same for programs which they start without `subprocess`, as those of uvloop do."""

    class HearingLoop(base):  # type: ignore[misc]  # whichever loop it is
        async def subprocess_exec(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
            return await _started(super().subprocess_exec, protocol_factory, args, kwargs)

        async def subprocess_shell(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
            return await _started(super().subprocess_shell, protocol_factory, args, kwargs)

    async def _started(start: Any, protocol_factory: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        pipes = Pipes(taking())
        places = {name: pipes.place(kwargs.get(name, subprocess.PIPE), name.upper()) for name in ("stdout", "stderr")}
        try:
            return await start(protocol_factory, *args, **{**kwargs, **places})
        finally:
            pipes.start()

    return HearingLoop
