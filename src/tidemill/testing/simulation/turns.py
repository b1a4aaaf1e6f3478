"""Sync bodies of users: each in a real thread that runs by turns with the loop, never beside it.

```text
loop            resume() ----.            .---- goes on
body's thread                 '-- runs --'  (it waits for virtual time, a condition, or has ended)
```
So a blocking body needs no second loop, and its order against all else is the loop's, which is a function of the seed.
"""

import _thread
import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from tidemill.testing.simulation.guards import SimulationError

BLOCKED_S = 60.0  # of real time: a body that does not come back waits for something that the loop cannot give
LOOKS_S = (0.001, 1.0)  # between looks at a condition that another thread may change: doubled from the first

Call = Callable[[], object]


class WorldEndedError(BaseException):
    """Ends a body that still waits when the simulation is over."""


class _Here(threading.local):
    turn: "Turn | None" = None


_here = _Here()


def current_turn() -> "Turn | None":
    """The one in whose thread this runs."""
    return _here.turn


class Turn:
    """One thread. ``resume`` is called on the loop, the others in the thread."""

    def __init__(self, turns: "Turns", call: Call) -> None:
        self._turns, self._call = turns, call
        self._go, self._back = _thread.allocate_lock(), _thread.allocate_lock()
        self._go.acquire()
        self._back.acquire()
        self.is_done = False
        _thread.start_new_thread(self._main, ())

    def resume(self) -> None:
        """Let it run until it waits or ends."""
        if self.is_done:
            return
        self._go.release()
        if not self._back.acquire(timeout=BLOCKED_S):
            raise SimulationError(
                f"a sync body has not come back for {BLOCKED_S:.0f} s of real time: it loops, or waits for a lock "
                "that another holds, which no simulation sees; wait by time.sleep, a Queue, an Event or a Condition"
            )

    def wait(self, arrange: Callable[[Callable[[], None]], object]) -> None:
        """Give the floor back; what ``arrange`` is given must be called on the loop, once, to go on."""
        if not self._turns.is_over:
            arrange(self.resume)
            self._back.release()
            self._go.acquire()
        if self._turns.is_over:
            raise WorldEndedError

    def sleep(self, seconds: float) -> None:
        self.wait(lambda resume: self._turns.loop.call_later(max(seconds, 0.0), resume))

    def wait_until(self, is_ready: Callable[[], bool], within_s: float | None = None) -> bool:
        """Look again and again, ever more rarely; whether it became ready."""
        pause, most = LOOKS_S
        until = None if within_s is None else self._turns.loop.time() + within_s
        while not is_ready():
            if until is not None and self._turns.loop.time() >= until:
                return False
            self.sleep(pause if until is None else min(pause, max(until - self._turns.loop.time(), 1e-6)))
            pause = min(2 * pause, most)
        return True

    def _main(self) -> None:
        self._go.acquire()
        _here.turn = self
        try:
            if not self._turns.is_over:
                self._call()
        except BaseException as error:  # noqa: BLE001 - of a thread that a body started; real ones only print it
            if not isinstance(error, WorldEndedError | SystemExit):
                self._turns.unheard.append(error)
        finally:
            self.is_done = True
            self._back.release()


class Turns:
    """All threads of a world."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.is_over = loop, False
        self.unheard: list[BaseException] = []  # what ended a thread that a body started
        self._all: list[Turn] = []

    def start(self, call: Call, context: Context | None = None) -> None:
        """Begin a thread soon; from the loop, or from another such thread."""
        turn = Turn(self, call)
        self._all.append(turn)
        self.loop.call_soon(turn.resume, context=context)

    def call(self, function: Callable[[], Any]) -> "asyncio.Future[Any]":
        """What `asyncio.to_thread` asks for."""
        answer: asyncio.Future[Any] = self.loop.create_future()

        def run() -> None:
            try:
                found = function()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
                self._tell(answer, partial(answer.set_exception, error))
            else:
                self._tell(answer, partial(answer.set_result, found))

        self.start(run)
        return answer

    def _tell(self, answer: "asyncio.Future[Any]", tell: Call) -> None:
        self.loop.call_soon(lambda: None if answer.done() else tell())

    def wait_on(self, blocked: list[tuple[Callable[[], None], Context]]) -> None:
        """In a thread: until somebody takes it from ``blocked`` and calls it on the loop."""
        turn = current_turn()
        if turn is None:
            raise SimulationError("only a sync body can be blocked")
        turn.wait(lambda resume: blocked.append((resume, copy_context())))

    def end(self) -> None:
        """Nobody goes on: bodies that wait are unwound, unheard."""
        self.is_over = True
        for turn in self._all:
            turn.resume()
        self._all.clear()
