"""How many steps wait in each lane, in memory, so that looking at an empty lane costs nothing."""

from collections import Counter
from collections.abc import Iterable

from tidemill.core.rows import Lane


class LaneCounts:
    """Committed counts, and what the open beat changes in them."""

    def __init__(self) -> None:
        self._committed: dict[Lane, int] = {}
        self._open: Counter[Lane] = Counter()

    def load(self, counts: Iterable[tuple[Lane, int]]) -> None:
        self._committed = dict(counts)
        self._open.clear()

    def add(self, lanes: Iterable[Lane]) -> None:
        self._open.update(lanes)

    def remove(self, lanes: Iterable[Lane]) -> None:
        self._open.subtract(lanes)

    def is_empty(self, lane: Lane) -> bool:
        """As the open beat sees it."""
        return self._committed.get(lane, 0) + self._open[lane] <= 0 if self._open else lane not in self._committed

    def commit(self) -> None:
        for lane, change in self._open.items():
            if waiting := self._committed.get(lane, 0) + change:
                self._committed[lane] = waiting
            else:
                self._committed.pop(lane, None)
        self._open.clear()

    def rollback(self) -> None:
        self._open.clear()

    def committed(self) -> list[tuple[Lane, int]]:
        return sorted(self._committed.items())
