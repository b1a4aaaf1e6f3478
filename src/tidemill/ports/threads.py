"""Work that may block, off the loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Threads(Protocol):
    async def call(self, name: str, function: Callable[[], T]) -> T:
        """Run ``function`` in a thread. ``name`` says what for: simulations attach delays and faults to it."""
        ...
