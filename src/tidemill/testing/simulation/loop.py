"""A deterministic asyncio loop: virtual time, one callback a turn, a seeded or scripted choice among the ready ones.

Private names of asyncio that it relies on: tests/simulation/test_loop.py pins them. No selector, so no socket.
"""

import asyncio
import gc
import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Self

from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.guards import SimulationError, real_world_closed
from tidemill.testing.simulation.processes import PROCESS, Process

QUIET_S = 0.05  # a jump of time longer than this is a quiet moment: nobody may sleep on work
CLOSES = 20  # a coroutine that waits in `finally` while it is closed is closed again, this often


class SimTask(asyncio.Task[Any]):
    """Hashes by birth order: TaskGroup and asyncio.wait walk sets of tasks, which else go by address."""

    order: int

    def __new__(cls, *_: object, loop: "SimLoop", **__: object) -> Self:
        self = super().__new__(cls)
        self.order = loop.births = loop.births + 1  # before __init__, which puts it into a set
        return self

    def __hash__(self) -> int:
        return self.order


class Schedule:
    """Which ready callback goes next: how far from first-in-first-out, drawn, or read from a script."""

    def __init__(self, seed: str, spread: float, script: Mapping[int, int] | None = None) -> None:
        self.moves: dict[int, int] = {}  # step -> distance from FIFO, where there was one
        self._chance, self._spread, self._script = stream(seed, "schedule"), spread, script

    def choose(self, step: int, ready: int) -> int:
        if ready == 1:
            return 0
        if self._script is not None:
            move = min(self._script.get(step, 0), ready - 1)
        else:
            move = int(self._chance() * ready) if self._chance() < self._spread else 0
        if move:
            self.moves[step] = move
        return move


class SimLoop(asyncio.BaseEventLoop):
    """Runs one `main`; `digest` is the hash of all that happened."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, schedule: Schedule, *, step_cost_s: float = 20e-6, max_steps: int = 1_000_000) -> None:
        super().__init__()
        self.schedule, self.steps, self.births = schedule, 0, 0
        self.crimes: list[str] = []  # recorded as well as raised, so that no `except` can hide one
        self.lines: list[str] | None = None  # set to a list to keep the trace
        self.on_quiet: Callable[[], None] = lambda: None
        self.in_thread: Callable[[Callable[[], Any]], asyncio.Future[Any]] | None = None  # where threads are allowed
        self._now, self._step_cost_s, self._max_steps = 0.0, step_cost_s, max_steps
        self._hash = hashlib.blake2b(digest_size=8)
        self._tasks: list[tuple[SimTask, Process | None]] = []  # a killed task must not be collected before the end
        self._is_over = False
        self.set_task_factory(self._make_task)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def time(self) -> float:
        return self._now

    def trace(self, *what: object) -> None:
        line = f"{self._now:.9f} {what}\n"
        self._hash.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    def run(self, main: Coroutine[Any, Any, object], closed: AbstractContextManager[None] | None = None) -> None:
        """``closed`` keeps the real world out; by default, all of it."""
        was_on = gc.isenabled()
        gc.disable()  # no finalizer at a moment that the collector likes
        try:
            with closed or real_world_closed(self.crimes.append, self.time):
                self.run_until_complete(main)
        finally:
            if was_on:
                gc.enable()

    def power_off(self) -> None:
        """Close what is left of all tasks, unheard; then `crimes` is complete."""
        for task, process in self._tasks:
            if task.done() and task._log_traceback and (process is None or process.alive):
                self.crimes.append(f"unhandled in {process and process.name}: {task.exception()!r}")
            task._log_destroy_pending = task._log_traceback = False  # type: ignore[attr-defined]
        self._is_over = True
        for task, _ in self._tasks:
            _close(task.get_coro())
        self._ready.clear()
        self._scheduled.clear()
        self._tasks.clear()
        self.close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._is_over:
            error = context.get("exception")
            said = str(error) if isinstance(error, AssertionError) else f"{context.get('message')}: {error!r}"
            self.crimes.append(f"unhandled: {said}")

    def run_in_executor(self, _: object, function: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        if self.in_thread is None:
            raise SimulationError("a thread was asked for: use the Threads port")
        return self.in_thread(partial(function, *args))

    def _write_to_self(self) -> None:
        """`call_soon_threadsafe`, always from our own thread: nothing to wake."""

    def _make_task(self, _: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> SimTask:
        task = SimTask(coro, loop=self, **options)
        context = options.get("context")
        self._tasks.append((task, context.get(PROCESS) if context else PROCESS.get()))
        return task

    def _run_once(self) -> None:
        if not self._is_ready():
            return
        self.steps += 1
        if self.steps > self._max_steps:
            raise SimulationError(f"livelock: more than {self._max_steps} steps")
        handle = self._take(self.schedule.choose(self.steps, len(self._ready)))
        if handle.cancelled():
            return
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
        if process and not process.admits(handle):
            return
        self._now += self._step_cost_s  # so that a busy loop cannot stop time
        self.trace("step", process and process.name, _label(handle._callback))  # type: ignore[attr-defined]
        handle._run()
        if self.crimes:
            raise SimulationError(self.crimes[0])

    def _is_ready(self) -> bool:
        """Let time jump until something is ready; False when the loop is to stop."""
        while True:
            self._move_due_timers()
            if self._ready or self._stopping:
                return bool(self._ready)
            if not self._scheduled:
                raise SimulationError("stuck: nothing is ready and no timer is set")
            if self._scheduled[0].when() - self._now > QUIET_S:
                self.on_quiet()
            self._now = self._scheduled[0].when()

    def _move_due_timers(self) -> None:
        timers = self._scheduled
        while timers and (timers[0].cancelled() or timers[0].when() <= self._now):
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]
            if timer.cancelled():
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(timer)

    def _take(self, place: int) -> asyncio.Handle:
        self._ready.rotate(-place)
        handle = self._ready.popleft()
        self._ready.rotate(place)
        return handle

    def put_back(self, handles: list[asyncio.Handle]) -> None:
        self._ready.extend(handles)


def _close(coro: Any) -> None:
    for _ in range(CLOSES):
        try:
            coro.close()
        except BaseException:  # noqa: BLE001, S112 - last words of the dead
            continue
        break


def _label(callback: Any) -> str:
    """A name that is the same in each run; a task's own name counts all tasks of the interpreter."""
    owner = getattr(callback, "__self__", None)
    named = owner.get_coro() if isinstance(owner, asyncio.Task) else callback
    return getattr(named, "__qualname__", None) or type(named).__name__
