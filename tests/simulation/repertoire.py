"""What a simulated client asks of the mill, and what it must get."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from tidemill.core.graph import Workflow
from tidemill.sdk.worker import Worker

Begin = Callable[[str, str, int], None]  # hears of each execution: run, path, number


class Asked(Struct, frozen=True):
    """A run. With an ``origin`` (the index of another one, that has ended) it is a fork of that."""

    workflow: Workflow
    inputs: dict[str, Any]
    origin: int | None = None


class Repertoire:
    """Runs 0 to ``runs``, each with its right answer."""

    runs: int

    def tasks(self, seed: str, begin: Begin) -> Worker:
        raise NotImplementedError

    def asked(self, index: int) -> Asked:
        raise NotImplementedError

    def answer(self, index: int) -> Any:
        """The outputs that a run gives, or "failed"."""
        raise NotImplementedError

    def is_right(self, index: int, result: Any) -> bool:
        """Whether a run may end so: with its answer, or with what the client did to it."""
        return bool(result == self.answer(index))

    def may_be_cancelled(self, index: int) -> bool:
        return False
