"""What was seen outside of the simulated server, beside what must hold of its durable rows."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.simulation.repertoire import Repertoire
from tidemill.adapters.storage.packing import unpack_step
from tidemill.core.ids import parse_run_id
from tidemill.core.run import Code, Step
from tidemill.testing.simulation.disk import SimDisk
from tidemill.testing.simulation.promises import Rows, Witness, opened

CANCELLED = "cancelled"


def _step_on(disk: SimDisk, run: bytes, path: str) -> Step | None:
    with opened(disk) as db:
        found = db.execute("select packed from step where run = ? and path = ?", (run, path)).fetchone()
    return unpack_step(found[0]) if found else None


class Ledger(Witness):
    """What was told to the client, and begun on workers."""

    def __init__(self, run_of: Callable[[int], bytes], repertoire: Repertoire) -> None:
        super().__init__()
        self.repertoire = repertoire
        self.accepted: dict[int, bool] = {}
        self.results: dict[int, Any] = {}
        self.done = asyncio.Event()
        self.look: Callable[[], SimDisk] = SimDisk
        self._run_of = run_of

    def hear(self, what: str, index: int, result: Any = None) -> None:
        """The client's side of the story."""
        if what == "accepted":
            self.accepted[index] = True
            self.acknowledged[self._run_of(index)] = f"run {index}"
        if what == "unknown":
            raise AssertionError(f"P1: run {index} was acknowledged, and is unknown")
        if what == "ended":
            self.results[index] = result
            answer = self.repertoire.answer(index)
            right = self.repertoire.is_right(index, result) or self._lost_a_worker(index)
            assert right, f"run {index} ended with {result}, not {answer}"

    def begin(self, run: str, path: str, number: int) -> None:
        """A body begins: its step must not have a recorded result."""
        step = _step_on(self.look().copy(), parse_run_id(run), path)
        assert step is not None, f"{path} runs, and has no row"
        assert not step.is_final, f"attempt {number} of {path} runs after the result was recorded"
        assert number <= step.latest, f"attempt {number} of {path} runs before it was recorded"

    def _lost_a_worker(self, index: int) -> bool:
        """Whether a step failed since its workers died: then another end is right, and which one is not said."""
        rows, run = Rows(self.look().copy()), self._run_of(index)
        failures = [getattr(step.state, "failure", None) for key, step in rows.steps.items() if key[0] == run]
        return any(failure is not None and failure.code is Code.WORKER_LOST for failure in failures)
