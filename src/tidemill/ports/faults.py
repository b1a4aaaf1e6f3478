"""Named points at which a test lets a process die, fail or wait. In production nothing happens there."""

from collections.abc import Callable
from typing import Protocol, TypeVar

F = TypeVar("F", bound=Callable[..., object])


class Faults(Protocol):
    def reach(self, point: str) -> None:
        """Called before and after each write that must be durable: `store.commit.before`, `blob.rename.after`."""
        ...


class NoFaults:
    def reach(self, point: str) -> None:
        """Go on."""


def durable(method: F) -> F:
    """Mark a port method whose effect must survive a crash; each adapter reaches a fault point in it."""
    return method
