"""What the code of users meets in a simulation: virtual time and seeded chance; real files; no sockets or processes.

Not reached: `datetime.now()` and names taken by `from time import time`, which give the real hour.
"""

import concurrent.futures
import contextlib
import os
import random  # noqa: TID251 - users' code draws from it, and gets the seed's numbers
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import cache, partial
from typing import Any, NoReturn

from tidemill.ports.backend import speaking
from tidemill.testing.simulation.chance import Chance, SimEntropy
from tidemill.testing.simulation.clock import START_AT
from tidemill.testing.simulation.guards import Report, SimulationError
from tidemill.testing.simulation.turns import Turns, current_turn

_INSTEAD = {
    "socket": "a simulation has no network: let it get its client by `Depends`, and override that in the test",
    "program": "a simulation starts no process: let it get its runner by `Depends`, and override that in the test",
    "pool": "a simulation has no pool of threads: use `asyncio.to_thread`, or a thread of its own",
    "sleep": "it would hold up all of its worker: `await asyncio.sleep` in an async task",
}
_EVENTS = {
    "os.exec": "program",
    "os.fork": "program",
    "os.forkpty": "program",
    "os.posix_spawn": "program",
    "os.system": "program",
    "socket.__new__": "socket",
    "socket.getaddrinfo": "socket",
    "subprocess.Popen": "program",
}
_DONE = {"socket": "opened a socket", "program": "started a program", "pool": "used a pool", "sleep": "slept"}
_listening: list[Report] = []  # an audit hook cannot be taken back, so one stays and asks this


@contextlib.contextmanager
def users_world(report: Report, turns: Turns, chance: Chance) -> Iterator[None]:
    """Within it, time is that of the loop, and chance is drawn from ``chance``."""
    _install()
    state = random.getstate()
    random.seed(int(chance() * 2**53))
    with contextlib.ExitStack() as undo:
        undo.callback(random.setstate, state)
        for owner, name, instead in _replaced(report, turns, chance):
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, instead)
        _listening.append(report)
        undo.callback(_listening.pop)
        yield


def _replaced(report: Report, turns: Turns, chance: Chance) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    def wall() -> float:
        return START_AT / 1_000_000 + turns.loop.time()

    for name, now in (("time", wall), ("monotonic", turns.loop.time), ("perf_counter", turns.loop.time)):
        yield time, name, _while(turns, now, getattr(time, name))
        yield time, f"{name}_ns", _while(turns, partial(_ns, now), getattr(time, f"{name}_ns"))
    yield time, "sleep", _while(turns, lambda seconds: _sleep(report, seconds), time.sleep)
    real = os.urandom  # noqa: TID251 - given back when it is over
    yield os, "urandom", _while(turns, SimEntropy(chance).bytes, real)
    yield threading.Thread, "start", _while(turns, lambda thread: _start(turns, thread), threading.Thread.start)
    yield threading.Condition, "wait", _condition_wait(threading.Condition.wait)
    for pool in (concurrent.futures.ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor):
        yield pool, "submit", _while(turns, lambda *_, **__: _refuse(report, "pool"), pool.submit)


def _ns(now: Callable[[], float]) -> int:
    return int(now() * 1e9)


def _while(turns: Turns, instead: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """``instead`` during the simulation; who has taken the name with him gets the ``real`` one after it."""

    def either(*args: Any, **kwargs: Any) -> Any:
        return (real if turns.is_over else instead)(*args, **kwargs)

    return either


def _sleep(report: Report, seconds: float) -> None:
    turn = current_turn()
    if turn is None:
        _refuse(report, "sleep")
    turn.sleep(seconds)


def _start(turns: Turns, thread: threading.Thread) -> None:
    context = copy_context()
    turns.start(lambda: context.run(thread.run))


def _condition_wait(real: Callable[..., bool]) -> Callable[..., bool]:
    def wait(condition: Any, timeout: float | None = None) -> bool:
        turn = current_turn()
        if turn is None:
            return real(condition, timeout)
        waiter = threading.Lock()
        waiter.acquire()
        condition._waiters.append(waiter)  # as the real one does: `notify` releases it
        saved = condition._release_save()
        try:
            is_told = turn.wait_until(lambda: waiter.acquire(blocking=False), timeout)
        finally:
            condition._acquire_restore(saved)
        if not is_told:
            with contextlib.suppress(ValueError):
                condition._waiters.remove(waiter)
        return is_told

    return wait


def _audit(event: str, args: tuple[object, ...]) -> None:
    if _listening and event in _EVENTS:
        _refuse(_listening[-1], _EVENTS[event], f" ({event} {args!r:.80})")


@cache
def _install() -> None:
    sys.addaudithook(_audit)


def _refuse(report: Report, kind: str, how: str = "") -> NoReturn:
    speaker: Any = speaking.get()
    who = f"the task {speaker.facts.task}" if speaker is not None else "code outside of a task"
    said = f"{who} {_DONE[kind]}{how}: {_INSTEAD[kind]}"
    report(said)
    raise SimulationError(said)
