"""Both sides of the comparison, and what must hold between them at every moment."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)

from tests.models.life import Life, Line
from tests.models.reference import Ref, Reference
from tidemill.core.ids import RunId
from tidemill.core.rows import Keys, Rows
from tidemill.core.run import Attempt, AttemptEnded, Code, Run, Waiting
from tidemill.core.values import Inline
from tidemill.engine.orders import Order
from tidemill.wire import worker as wire

WORKERS = ["ann", "bob", "cid"]
CODES = [Code.TRANSIENT, Code.TRANSIENT, Code.RESOURCE, Code.PERMANENT, Code.INTERNAL]
RUNS = 10  # of one example
pack = msgspec.msgpack.encode


def ref_of(ref: wire.AttemptRef) -> Ref:
    return (bytes(ref.run), ref.path, ref.number)


def refs_of(refs: Sequence[wire.AttemptRef]) -> set[Ref]:
    return {ref_of(ref) for ref in refs}


def end_of(row: Attempt) -> str:
    return row.state.end.value if isinstance(row.state, AttemptEnded) else ""


class Sides(RuleBasedStateMachine):
    """A server, its workers' lines, and the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="tidemill-model-"))
        self.life = Life(self.folder)
        self.life.start()
        self.model = Reference(self.life.clock.at / 1e6)
        self.lines: dict[str, Line] = {}
        self.orders: dict[bytes, Order] = {}
        self.given: list[Ref] = []  # every attempt that was ever assigned, in that order
        self.values = self.instances = self.signals = 0
        self.recorded: dict[tuple[bytes, str], Any] = {}
        self.ended: dict[bytes, Run] = {}
        self.answers: dict[str, list[tuple[str, Ref]]] = {}

    def _run(self, data: st.DataObject) -> bytes:
        found: bytes = data.draw(st.sampled_from(list(self.orders)))
        return found

    def hear(self) -> None:
        """Take what workers were told since."""
        for line in self.lines.values():
            self._take(line, line.read())

    def _take(self, line: Line, heard: Sequence[Any]) -> None:
        for message in heard:
            match message:
                case wire.Assign(attempt=attempt):
                    line.received += 1
                    self.given.append(ref_of(attempt))
                    self.model.assigned(line.instance, ref_of(attempt))
                case wire.Ack(attempts=refs) | wire.Stale(attempts=refs):
                    kind = "ack" if isinstance(message, wire.Ack) else "stale"
                    self.answers.setdefault(line.worker, []).extend((kind, ref_of(ref)) for ref in refs)
                case _:
                    pass

    @invariant()
    def both_show_the_same(self) -> None:
        steps = [(RunId(run), path) for run, row in self.model.runs.items() for path in row.steps]
        keys = Keys(
            runs=[RunId(run) for run in self.model.runs],
            steps=steps,
            attempts=[(RunId(run), path, number) for run, path, number in self.model.attempts],
            values=[(*step, "value") for step in steps],
        )
        rows = self.life.do(self.life.mill.store.rows(keys))
        for run in self.model.runs:
            self._compare(RunId(run), rows)
        for ref, attempt in self.model.attempts.items():
            row = rows.attempts[RunId(ref[0]), ref[1], ref[2]]
            assert row is not None
            assert end_of(row) == attempt.end, ref
        self._nobody_idles()

    def _compare(self, run: RunId, rows: Rows) -> None:
        model, row = self.model.runs[run], rows.runs[run]
        assert row is not None, "P1"
        assert row.status == model.state
        if model.is_over:
            assert self.ended.setdefault(run, row) == row, "P2: a run that ended has changed"
        for path, step in model.steps.items():
            found = rows.steps[run, path]
            assert found is not None
            state = "waiting" if step.state == "retry" else step.state
            assert (found.status, found.latest, found.losses) == (state, step.latest, step.losses), path
            if step.state == "retry":
                assert isinstance(found.state, Waiting)
                assert found.state.until_at is not None
                due_at = found.state.until_at / 1e6
                assert due_at <= step.due_at + 1e-3
                step.due_at = due_at
            if step.state == "succeeded" and model.shape != "timed":
                self._same_result(run, path, step.value, rows)

    def _same_result(self, run: RunId, path: str, expected: int | None, rows: Rows) -> None:
        value = rows.values[run, path, "value"]
        if isinstance(value, Inline):
            assert value.data == pack(expected), "P3: another result counts"
        assert self.recorded.setdefault((run, path), value) == value, "P2: a recorded result has changed"

    def _nobody_idles(self) -> None:
        """P4: what could be leased now is; all else that is not final has a row that will move it."""
        alone = {run for run, row in self.model.runs.items() for step in row.steps.values() if step.losses > 1}
        waiting = [(run, path) for run, path in self.model.claimable() if run not in alone]
        free = [
            line
            for line in self._speakers()
            if self.model.sessions[line.instance].credit
            and not {run for run, _, _ in [*self._held(line.worker), *line.listed]} & alone
        ]
        assert not (waiting and free), f"{waiting} wait, and {[line.worker for line in free]} have credit"
        reader = self.life.mill.store._reader
        assert reader is not None
        timers = {(run, path) for run, path in reader.execute("select run, path from timer").fetchall()}
        queued = {(run, path) for run, path in reader.execute("select run, path from queue").fetchall()}
        live = {key for (key,) in reader.execute("select id from session where live = 1").fetchall()}
        for run, row in self.model.runs.items():
            for path, step in row.steps.items():
                if step.state in ("retry", "waiting"):
                    assert (run, path) in timers, "P4: a step waits for nothing"
                if step.state == "ready":
                    assert (run, path) in queued, "P4: a ready step is not queued"
                if step.state in ("leased", "running"):
                    assert self.model.attempts[run, path, step.latest].session in live, "P4: an attempt without a lease"
                    assert (not row.is_closing) or (run, path) in timers, "P5: a stop without a bound"

    def _held(self, worker: str) -> list[Ref]:
        line = self.lines.get(worker)
        return [] if line is None else self.model.live([line.instance])

    def _speakers(self) -> list[Line]:
        return [line for line in self.lines.values() if self._is_seated(line)]

    def _holders(self) -> list[Line]:
        return [line for line in self._speakers() if self._held(line.worker)]

    def _lost(self) -> list[Ref]:
        return [ref for ref, each in self.model.attempts.items() if each.end in ("lost", "presumed")]

    def _is_seated(self, line: Line) -> bool:
        seat = self.model.sessions.get(line.instance)
        return line.is_open and seat is not None and seat.connected
