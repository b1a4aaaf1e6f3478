"""Rows of one kind as a beat sees them, and what a decision raises when one is not loaded."""

from typing import Generic, TypeVar

from tidemill.core.errors import InternalError
from tidemill.core.ids import Digest
from tidemill.core.rows import Keys

K = TypeVar("K")
R = TypeVar("R")


class RowsMissingError(InternalError):
    """A decision looked at rows that are not loaded yet. Never leaves `decide`."""

    def __init__(self, keys: Keys) -> None:
        super().__init__("rows are missing")
        self.keys = keys


class GraphMissingError(InternalError):
    """A decision needs a graph that is not loaded yet. Never leaves `decide`."""

    def __init__(self, digest: Digest) -> None:
        super().__init__("a graph is missing")
        self.digest = digest


class Table(Generic[K, R]):
    """Rows of one kind, by key; None says that there is none."""

    __slots__ = ("changed", "rows")

    def __init__(self) -> None:
        self.rows: dict[K, R | None] = {}
        self.changed: dict[K, R] = {}

    def learn(self, rows: dict[K, R | None]) -> None:
        """Take loaded rows; what the beat has changed already stays."""
        known = self.rows
        for key, row in rows.items():
            if key not in known:
                known[key] = row

    def put(self, changed: dict[K, R]) -> None:
        self.rows.update(changed)
        self.changed.update(changed)
