"""Chance."""

from typing import Protocol


class Entropy(Protocol):
    def bytes(self, count: int) -> bytes: ...
