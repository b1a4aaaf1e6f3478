"""The engine on a real store against a model: runs, attempts and sessions are what the reference says, at every moment.

The invariants are the promises: P1 an acknowledged run is there; P2 a recorded result never changes; P3 one result of a
step counts; P4 nothing waits unexplained; P5 a cancel ends with a proof; P6 a join ends a run once; P7 a wait is over
when its time has come, not before.
"""

import shutil

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.models.reference import FINAL, SHAPES
from tests.models.sides import WORKERS
from tests.models.workers import Workers
from tidemill.wire import worker as wire

bounds = settings(
    max_examples=25,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class EngineMachine(Workers):
    """Time, and the lives of servers; in the end all is healed, and every run has its end."""

    @initialize(shapes=st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=3))
    def begin(self, shapes: list[str]) -> None:
        for worker in WORKERS[:2]:
            self._hello(worker, [], fresh=True)
            self._credit(self.lines[worker], 2)
        for shape in shapes:
            self.submit(shape, 1)

    def _advance(self, by_s: float) -> None:
        for each in (by_s, 0.6):  # a lease is over at a second look
            self.model.advance(each)
            self.life.advance(each)
            self.hear()

    @rule(by_s=st.sampled_from([0.1, 1.0, 2.0, 5.0, 5.0, 29.0, 31.0, 61.0, 101.0]))
    def advance(self, by_s: float) -> None:
        self._advance(by_s)

    @precondition(lambda self: self._speakers())
    @rule(data=st.data())
    def fall_silent_for_a_while(self, data: st.DataObject) -> None:
        """The leases of all are over; who lets hear of itself before the second look keeps its own."""
        line = data.draw(st.sampled_from(self._speakers()))
        self.model.advance(31.0)
        self.life.advance(31.0)
        self.hear()
        if self._is_seated(line):
            self.model.word(line.instance)
            self.life.say(line, wire.Heartbeat(line.received))
        self._advance(0.6)

    @rule(after_s=st.sampled_from([0, 29]), then_s=st.sampled_from([0, 5]))
    def restart(self, after_s: int, then_s: int) -> None:
        self._advance(after_s)
        self.life.stop()
        self.model.restart()
        self.life.start()
        self.hear()
        self._advance(then_s)

    def teardown(self) -> None:
        try:
            if not self._is_broken():
                self._heal()
        finally:
            self.life.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _is_broken(self) -> bool:
        """Whether the example failed already; then its end says nothing more."""
        try:
            self.both_show_the_same()
        except AssertionError:
            return True
        return False

    def _heal(self) -> None:
        """With a worker that works, and time, every run ends, and ends once."""
        self._hello("zoe", [], fresh=True)
        for _ in range(40):
            if all(row.is_over for row in self.model.runs.values()):
                break
            for run, row in self.model.runs.items():
                if row.state == "paused":
                    self._resume(run)
                if row.shape == "signal" and not row.is_over and row.steps["hold"].state == "waiting":
                    self._signal(run, again=False)
            self._credit(self.lines["zoe"], 10)
            for ref in self._held("zoe"):
                self._say(self.lines["zoe"], ref, "succeed")
            self._advance(16.0)
            if not self._is_seated(self.lines["zoe"]):
                self._hello("zoe", [], fresh=False)
        self.both_show_the_same()
        assert {row.state for row in self.model.runs.values()} <= FINAL, "a run has no end"
        self._ends_once()

    def _ends_once(self) -> None:
        feed = self.life.do(self.life.mill.store.feed(0, None, 100_000))
        told = [(row.run, entry.kind) for _, row in feed for entry in row.events]
        for run, row in self.model.runs.items():
            ends = [kind for of, kind in told if of == run and kind in {f"run_{each}" for each in FINAL}]
            assert ends == [f"run_{row.state}"], "P6"
        for run, path in self.recorded:
            ends = [number for of, at, number in self.model.attempts if (of, at) == (run, path)]
            good = [number for number in ends if self.model.attempts[run, path, number].end == "succeeded"]
            assert len(good) <= 1, "P3: two attempts of a step succeeded"


@pytest.mark.promise("P1", "P2", "P3", "P4", "P5", "P6", "P7")
def test_the_engine_does_what_the_reference_says() -> None:
    run_state_machine_as_test(EngineMachine, settings=bounds)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_engine_does_what_the_reference_says_through_long_lives() -> None:
    run_state_machine_as_test(EngineMachine, settings=settings(bounds, max_examples=300, stateful_step_count=100))
