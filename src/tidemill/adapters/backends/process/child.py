"""The child's end: one body at a time, run by a back-end of its own; all that it says goes to the worker as frames."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

from tidemill.adapters.backends.process.frames import (
    RESULT_LIMIT_BYTES,
    Alive,
    Answered,
    Asks,
    Awaits,
    Begin,
    Begun,
    Emits,
    Emitted,
    Leave,
    Logged,
    Marked,
    Measures,
    Progressed,
    Raised,
    Ready,
    Rest,
    Returned,
    Room,
    RunEnded,
    Saved,
    Starts,
    Stop,
    ToChild,
    ToWorker,
    Unready,
    encode,
    frames_to_child,
)
from tidemill.adapters.backends.process.lifeline import become_child, has_children, rss_bytes
from tidemill.core.bodies import AttemptFacts, ChildCall, ChildEnd, Completed, Encoded, LocalFile, SharedCall, SharedEnd
from tidemill.core.run import Code, Failure
from tidemill.core.telling import MEASURES_OF_ATTEMPT, Emission
from tidemill.core.texts import sendable
from tidemill.core.values import Argument
from tidemill.ports.backend import BackendPort, Ending

READ_BYTES = 256 * 1024


def open_channel(channel: int, lifeline: int) -> socket.socket:
    """First of all in a child: from here on it dies with its worker."""
    become_child(lifeline)
    sock = socket.socket(fileno=channel)
    sock.set_inheritable(False)
    return sock


def say_unready(channel: socket.socket, text: str) -> None:
    """The target cannot be imported."""
    channel.sendall(encode(Unready(text)))


async def serve(channel: socket.socket, backend: BackendPort, targets: Iterable[str]) -> None:
    """Run these until the worker has no more work."""
    loop = asyncio.get_running_loop()
    talk = _Talk(channel, backend)
    loop.add_reader(channel, talk.read)
    talk.say(Ready(tuple(targets)))
    await talk.left.wait()
    loop.remove_reader(channel)


class _Talk:
    """`read` on the control loop, `say` from any thread: it is sent at once, since a crash may come next."""

    def __init__(self, channel: socket.socket, backend: BackendPort) -> None:
        self.left = asyncio.Event()
        self.numbers = count(1)  # of what its bodies ask
        self._channel, self._backend = channel, backend
        self._sending = threading.RLock()
        self._frames = frames_to_child()
        self._work: ChildWork | None = None

    def say(self, message: ToWorker) -> None:
        """Waits while the worker is busy, which bounds what can be said."""
        frame = encode(message)
        try:
            with self._sending:
                self._channel.sendall(frame)
        except OSError:
            self._end()

    def read(self) -> None:
        try:
            data = self._channel.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
        for message in self._frames.feed(data):
            self._hear(message)

    def _end(self) -> None:
        """The worker is gone: so is all that it started."""
        os.killpg(0, signal.SIGKILL)

    def _hear(self, message: ToChild) -> None:
        match message:
            case Begin():
                self.say(Begun())
                self._work = ChildWork(message, self)
                self._backend.begin(self._work)
            case Leave():
                self.left.set()
            case _:
                if self._work:
                    self._tell(self._work, message)

    def _tell(self, work: "ChildWork", message: Stop | Room | RunEnded | Answered) -> None:
        match message:
            case Stop():
                work.is_told_to_stop = True
                self._backend.stop(work)
            case Room(durable=durable):
                work.durable = durable
                self._backend.make_room(work)
            case RunEnded(key=key, end=end):
                work.hear_of_child(key, end)
            case Answered(number=number, end=end):
                work.hear_answer(number, end)


class ChildWork:
    """The Work that the child's own back-end runs. Its methods are called from the threads of the body."""

    def __init__(self, begin: Begin, talk: _Talk) -> None:
        self._begin, self._talk = begin, talk
        self.grip: Any = None
        self.is_told_to_stop = False
        self.durable = 0
        self.peak_kib = 0
        self._used_folder = False
        self._measured: set[str] = set()
        self._awaited: dict[bytes, list[Callable[[ChildEnd], None]]] = {}
        self._asked: dict[int, Callable[[SharedEnd], None]] = {}

    @property
    def target(self) -> str:
        return self._begin.target

    @property
    def inputs(self) -> Mapping[str, Argument]:
        return self._begin.inputs

    @property
    def facts(self) -> AttemptFacts:
        return self._begin.facts

    @property
    def folder_name(self) -> str:
        return self._begin.folder

    def use_folder(self) -> str:
        self._used_folder = True
        return self._begin.folder

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self._talk.say(Progressed(fraction, sendable(stage), sendable(message)))

    def heartbeat(self, details: str) -> None:
        self._talk.say(Alive(sendable(details)))

    def log(self, level: str, logger: str, text: str) -> None:
        self._talk.say(Logged(level, sendable(logger), sendable(text)))

    def omit(self, lines: int) -> None:
        """Output goes to the worker by another way, where it is counted."""

    def add_item(self, item: Encoded) -> None:
        self._talk.say(Emitted(item))

    def mark_model(self, name: str, size: int) -> None:
        self._talk.say(Marked(name, size))

    def save(self, name: str, file: LocalFile) -> None:
        self._talk.say(Saved(name, file))

    def emit(self, emission: Emission) -> None:
        self._talk.say(Emits(emission))

    def measure(self, name: str, value: float, unit: str) -> bool:
        if len(self._measured | {name}) > MEASURES_OF_ATTEMPT:
            return False
        self._measured.add(name)
        self._talk.say(Measures(name, value, unit))
        return True

    def start_child(self, call: ChildCall) -> None:
        self._talk.say(Starts(call))

    def await_child(self, key: bytes, hear: Callable[[ChildEnd], None]) -> None:
        self._awaited.setdefault(key, []).append(hear)
        self._talk.say(Awaits(key))

    def hear_of_child(self, key: bytes, end: ChildEnd) -> None:
        """On the control loop."""
        if waiting := self._awaited.get(key):
            waiting.pop(0)(end)

    def share(self, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        number = next(self._talk.numbers)
        self._asked[number] = hear
        self._talk.say(Asks(number, call))

    def hear_answer(self, number: int, end: SharedEnd) -> None:
        """On the control loop."""
        if (hear := self._asked.pop(number, None)) is not None:  # none: a body before this one asked, and was stopped
            hear(end)

    def end(self, ending: Ending) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the body may have closed or replaced it
                stream.flush()
        rest = Rest(rss_bytes(), self.peak_kib, self._used_folder, has_children())
        if isinstance(ending, Completed) and (fault := _too_large(ending)):
            ending = fault
        self._talk.say(Returned(ending, rest) if isinstance(ending, Completed) else Raised(_failure(ending), rest))


def _failure(ending: Ending) -> Failure:
    if not isinstance(ending, Failure):
        raise TypeError(f"a body inside a process ended with {type(ending).__name__}")
    return ending


def _too_large(completed: Completed) -> Failure | None:
    size = sum(len(encoded.data) for encoded in completed.outputs.values())
    if size <= RESULT_LIMIT_BYTES:
        return None
    text = f"the result has {size:,} bytes, and a process hands over {RESULT_LIMIT_BYTES:,}: return a File instead"
    return Failure(code=Code.PERMANENT, message=text)
