"""Dying on purpose, for tests with real processes."""

import os
import threading


class CrashFaults:
    """Ends the process, as kill -9 would, when a named point is reached for the n-th time.

    Args:
        plan: ``point:n``, joined by commas, as in ``store.commit.after:3``; n counts from 1.
    """

    def __init__(self, plan: str) -> None:
        self._left: dict[str, int] = {}
        for part in filter(None, plan.split(",")):
            point, _, count = part.partition(":")
            self._left[point.strip()] = int(count or 1)
        self._lock = threading.Lock()

    def reach(self, point: str) -> None:
        if point not in self._left:
            return
        with self._lock:
            self._left[point] -= 1
            if self._left[point] == 0:
                os._exit(137)
