"""Models are loaded at their first use, and once, however many threads ask for them at the same moment."""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Give a function that makes the thing on its first call and then always gives the same one."""
    lock, made = Lock(), list[T]()

    def given() -> T:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return given
