"""One child as its worker sees it: started, ready, busy with one work after the other, gone.

```text
starting --ready--> idle <--> busy
   `------------------`--------`--> gone: it left, died or was killed; its group is killed with it
```
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from tidemill.adapters.backends.process.frames import (
    Alive,
    Answered,
    Asks,
    Awaits,
    BadFrameError,
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
    RunEnded,
    Saved,
    Saying,
    Starts,
    ToChild,
    ToWorker,
    Unready,
    encode,
    frames_to_worker,
)
from tidemill.adapters.backends.process.launch import Command, Ends, Launch
from tidemill.adapters.backends.process.output import Output
from tidemill.core.bodies import Crashed, SharedEnd
from tidemill.ports.backend import Ending, Work

START_S = 600.0  # for its imports, which may load a model
LEAVE_S = 5.0
CLOSING_S = 0.5  # between the end of the socket and that of the process


class Crew(Protocol):
    """Who has the children. Called on the control loop."""

    targets: frozenset[str]  # what each of them must be able to run

    def is_ready(self, child: "ChildProcess") -> None: ...

    def is_free(self, child: "ChildProcess", rest: Rest) -> None:
        """Its work has ended."""
        ...

    def is_gone(self, child: "ChildProcess", why: str, work: Work | None) -> None:
        """``work`` was given to it, and it did not begin with it."""
        ...


class ChildProcess(asyncio.Protocol):
    """On the control loop."""

    def __init__(self, command: Command, crew: Crew) -> None:
        self._crew = crew
        self._loop = asyncio.get_running_loop()
        self._frames = frames_to_worker()
        self._ending: tuple[Ending, Rest] | None = None  # told, when the group is gone
        self._launch = Launch(command, self._died)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._outputs: list[Output] = []
        self._fate = ""  # why it was killed
        self._has_begun = False  # with its work
        self.work: Work | None = None
        self.is_ready = self.is_leaving = self.is_gone = False
        self.gone = asyncio.Event()
        self.served = 0
        self.began = self._loop.time()

    # Its life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Raises OSError when the machine has no room for one more."""
        ours, theirs = socket.socketpair()
        life_end, self._lifeline = os.pipe()
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        self._outputs = [Output(out, "STDOUT", self._speaker), Output(err, "STDERR", self._speaker)]
        self._set_timer(START_S, f"it was not ready within {START_S:.0f} s")
        try:
            await self._launch.start(Ends(theirs.fileno(), life_end, out_end, err_end))
        except OSError:
            self._close()
            ours.close()
            raise
        finally:
            theirs.close()
            for end in (life_end, out_end, err_end):
                os.close(end)
        await self._loop.create_unix_connection(lambda: self, sock=ours)

    def _died(self) -> None:
        if self._transport is None or self._transport.is_closing():
            self._end()
        else:
            self._loop.call_later(CLOSING_S, self._end)  # unless the socket, which may hold last words, ends before

    def _end(self) -> None:
        if self.is_gone:
            return
        self._close()
        how, why = self.how, self._fate or self._last_words()
        work, self.work = self.work, None
        if work is not None and self._has_begun:
            work.end(self._ending[0] if self._ending else Crashed(*how))
        self._crew.is_gone(self, why or how[1], None if self._has_begun else work)

    def _close(self) -> None:
        self.is_gone = True
        self._stop_timer()
        if self._transport:
            self._transport.abort()
        for output in self._outputs:
            output.close()
        os.close(self._lifeline)
        self.gone.set()

    @property
    def how(self) -> tuple[str, str]:
        """How it ended: a name, and a sentence."""
        name, sentence = self._launch.how
        return name, self._fate or sentence

    def _last_words(self) -> str:
        return "\n".join(line for output in self._outputs for line in output.last_lines)

    def _speaker(self) -> Work | None:
        return self.work

    # What it is told --------------------------------------------------------------------------------

    def begin(self, work: Work) -> None:
        """Raises InputError for inputs that are too large."""
        frame = encode(Begin(work.target, dict(work.inputs), work.facts, work.folder_name))
        self.work, work.grip, self._has_begun = work, self, False
        self.served += 1
        self._write(frame)

    def say(self, message: ToChild) -> None:
        self._write(encode(message))

    def leave(self) -> None:
        """End it in order, or after some time by force."""
        self.is_leaving = True
        self.say(Leave())
        self._set_timer(LEAVE_S, "it did not leave")

    def kill(self, why: str) -> None:
        """End it and all of its group."""
        self._fate = self._fate or why
        self._launch.kill()

    def _write(self, frame: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(frame)

    def _set_timer(self, delay_s: float, why: str) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, self.kill, why)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    # What it says -----------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self.is_gone:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._launch.code is not None:
            self._end()
        elif not self.is_leaving:
            self._set_timer(CLOSING_S, "it closed the connection to its worker")

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._hear(message)
        except BadFrameError as error:
            self.kill(f"something in it wrote to the connection to its worker: {error}")

    def _hear(self, message: ToWorker) -> None:
        match message:
            case Ready(targets=targets):
                self._get_ready(targets)
            case Begun():
                self._has_begun = True
            case Unready(text=text):
                self._fate = text
            case Returned(completed=ending, rest=rest) | Raised(failure=ending, rest=rest):
                self._finish(ending, rest)
            case _:
                if self.work is not None:
                    self._hear_body(self.work, message)

    def _hear_body(self, work: Work, message: Saying) -> None:
        match message:
            case Awaits(key=key):
                work.await_child(key, lambda end: self.say(RunEnded(key, end)))
            case Asks(number=number, call=call):
                work.share(call, lambda end: self._answer(number, end))
            case _:
                if self._ending is None:
                    _TELLERS[type(message)](work, message)

    def _answer(self, number: int, end: SharedEnd) -> None:
        if not self.is_gone:
            self.say(Answered(number, end))

    def _get_ready(self, targets: tuple[str, ...]) -> None:
        if missing := self._crew.targets.difference(targets):
            self.kill(f"{min(missing)} is not there when its module is imported again: declare it at the top level")
            return
        self._stop_timer()
        self.is_ready = True
        self._crew.is_ready(self)

    def _finish(self, ending: Ending, rest: Rest) -> None:
        work = self.work
        if work is None or self._ending is not None:
            return
        work.peak_kib = rest.peak_kib
        if rest.used_folder:
            work.use_folder()
        for output in self._outputs:
            output.finish()
        if rest.left_children:  # what an attempt started ends with it
            self._ending = ending, rest
            self.kill("its last task left processes behind")
            return
        self.work = None
        work.end(ending)
        self._crew.is_free(self, rest)


def _keep(work: Work, saved: Saved) -> None:
    work.use_folder()
    work.save(saved.name, saved.file)


_TELLERS: dict[type, Callable[[Work, Any], object]] = {
    Logged: lambda work, said: work.log(said.level, said.logger, said.text),
    Progressed: lambda work, said: work.progress(said.fraction, said.stage, said.message),
    Alive: lambda work, said: work.heartbeat(said.details),
    Emitted: lambda work, said: work.add_item(said.item),
    Saved: _keep,
    Marked: lambda work, said: work.mark_model(said.name, said.size),
    Emits: lambda work, said: work.emit(said.emission),
    Measures: lambda work, said: work.measure(said.name, said.value, said.unit),
    Starts: lambda work, said: work.start_child(said.call),
}
