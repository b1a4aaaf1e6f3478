"""Dying on purpose, for tests with real processes."""

import os
import threading

from tidemill.core.errors import InputError
from tidemill.ports.faults import NO_FAULTS, POINTS, Faults, Point


class UnknownPointError(InputError):
    """A point that ports/faults.py does not declare."""

    def __init__(self, point: str) -> None:
        super().__init__(f"there is no fault point {point!r}; src/tidemill/ports/faults.py declares them")
        self.point = point


class CrashFaults:
    """Ends the process, as kill -9 would, when a named point is reached for the n-th time.

    Args:
        plan: ``point:n``, joined by commas, as in ``store.commit.after:3``; n counts from 1.
    Raises:
        UnknownPointError
    """

    def __init__(self, plan: str) -> None:
        self._left: dict[str, int] = {}
        for part in filter(None, plan.split(",")):
            point, _, count = part.partition(":")
            self._left[_declared(point.strip())] = int(count or 1)
        self._lock = threading.Lock()

    def reach(self, point: Point) -> None:
        if _declared(point) not in self._left:
            return
        with self._lock:
            self._left[point] -= 1
            if self._left[point] == 0:
                os._exit(137)


def faults_of(plan: str) -> Faults:
    """Nothing happens without a plan."""
    return CrashFaults(plan) if plan else NO_FAULTS


def _declared(point: str) -> str:
    if point not in POINTS:
        raise UnknownPointError(point)
    return point
