"""The hand-over between two loops: a deque, with one wake per turn however much lies on it."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Belt(Generic[T]):
    """Put from any thread; taken where ``wake`` runs what it is given.

    Args:
        wake: runs a callable soon on the receiving loop; may be called from any thread.
        take: called there, with one item after the other.
    """

    def __init__(self, wake: Callable[[Callable[[], None]], None], take: Callable[[T], None]) -> None:
        self._wake, self._take = wake, take
        self._items: deque[T] = deque()
        self._is_woken = False

    def put(self, item: T) -> None:
        self._items.append(item)
        if not self._is_woken:
            self._is_woken = True
            self._wake(self._empty)

    def idle_violation(self) -> str | None:
        return "things lie on a belt and nobody was woken" if self._items and not self._is_woken else None

    def _empty(self) -> None:
        self._is_woken = False  # before looking: what is put from here on wakes again
        items, take = self._items, self._take
        for _ in range(len(items)):  # what comes meanwhile waits for the next turn
            take(items.popleft())
