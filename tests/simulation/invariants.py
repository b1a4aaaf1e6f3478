"""What must hold of the durable rows, whatever happened; P1 to P4 are promises of the README."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import apsw

from tests.simulation.repertoire import Repertoire
from tidemill.adapters.storage.packing import (
    unpack_attempt,
    unpack_limit,
    unpack_mailbox,
    unpack_run,
    unpack_step,
    unpack_wait,
)
from tidemill.core.ids import parse_run_id, text_of
from tidemill.core.retry import MAX_LOSSES
from tidemill.core.run import Attempt, AttemptEnded, Code, End, Ended, Held, Ready, Run, Step, Waiting
from tidemill.testing.simulation.disk import SimDisk
from tidemill.testing.simulation.vfs import SimVFS

StepKey = tuple[bytes, str]
CANCELLED = "cancelled"


@contextmanager
def _opened(disk: SimDisk) -> Iterator[apsw.Connection]:
    with closing(SimVFS(disk)) as vfs, closing(apsw.Connection("tidemill.db", vfs=vfs.name)) as db:
        db.execute("pragma locking_mode=exclusive").fetchall()
        yield db


def _step_on(disk: SimDisk, run: bytes, path: str) -> Step | None:
    with _opened(disk) as db:
        found = db.execute("select packed from step where run = ? and path = ?", (run, path)).fetchone()
    return unpack_step(found[0]) if found else None


class Rows:
    """The tables of a store, as a server that starts now would find them."""

    def __init__(self, disk: SimDisk) -> None:
        self.runs: dict[bytes, Run] = {}
        self.steps: dict[StepKey, Step] = {}
        self.attempts: dict[StepKey, list[Attempt]] = {}
        self.values: dict[Any, bytes] = {}
        self.queue: dict[StepKey, None] = {}
        self.waits: dict[StepKey, None] = {}  # open ones
        self.lines: dict[StepKey, None] = {}  # who stands in a mailbox
        self.addressed: dict[StepKey, None] = {}  # open waits that stand in one
        self.left: list[str] = []  # what must not be there when all has ended
        with _opened(disk) as db:
            if db.execute("select 1 from sqlite_schema where name = 'queue'").fetchall():
                self._read(db)

    def _read(self, db: apsw.Connection) -> None:
        for (packed,) in db.execute("select packed from run order by id"):
            run = unpack_run(packed)
            self.runs[run.id] = run
        for (packed,) in db.execute("select packed from step order by run, path"):
            step = unpack_step(packed)
            self.steps[step.run, step.path] = step
        for (packed,) in db.execute("select packed from attempt order by run, path, number"):
            attempt = unpack_attempt(packed)
            self.attempts.setdefault((attempt.run, attempt.path), []).append(attempt)
        for run_id, path, port, packed in db.execute("select run, path, port, packed from value order by 1, 2, 3"):
            self.values[run_id, path, port] = packed
        for run_id, path in db.execute("select run, path from queue order by 1, 2"):
            self.queue[run_id, path] = None
        self._read_waits(db)
        self._read_left(db)

    def _read_waits(self, db: apsw.Connection) -> None:
        for (packed,) in db.execute("select packed from wait where is_open = 1"):
            wait = unpack_wait(packed)
            self.waits[wait.run, wait.path] = None
            if wait.address is not None:
                self.addressed[wait.run, wait.path] = None
        for (packed,) in db.execute("select packed from mailbox"):
            self.lines.update(dict.fromkeys(unpack_mailbox(packed).waiting))

    def _read_left(self, db: apsw.Connection) -> None:
        for kind, path in db.execute("select kind, path from timer order by run, path, kind"):
            self.left.append(f"a timer {kind} of {path!r}")
        for (packed,) in db.execute("select packed from limit_row order by key"):
            if used := unpack_limit(packed).used:
                self.left.append(f"a limit with {used} taken")


class Ledger:
    """What was seen outside of the server: told to the client, begun on workers, found on the disk before."""

    def __init__(self, run_of: Callable[[int], bytes], repertoire: Repertoire) -> None:
        self.repertoire = repertoire
        self.acknowledged: dict[int, bytes] = {}
        self.results: dict[int, Any] = {}
        self.done = asyncio.Event()
        self.is_over = False
        self.held: Callable[[], list[str]] = list
        self.look: Callable[[], SimDisk] = SimDisk
        self._run_of = run_of
        self._before: Rows | None = None

    # Heard -----------------------------------------------------------------------------------------

    def hear(self, what: str, index: int, result: Any = None) -> None:
        """The client's side of the story."""
        if what == "accepted":
            self.acknowledged[index] = self._run_of(index)
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

    # Checked ---------------------------------------------------------------------------------------

    def check(self, disk: SimDisk) -> None:
        rows = Rows(disk)
        for index, run in self.acknowledged.items():
            assert run in rows.runs, f"P1: run {index} was acknowledged, then lost"
        for key, step in rows.steps.items():
            _check_attempts(step, rows.attempts.get(key, []))
        _check_counters(rows)
        if self._before is not None:
            _check_progress(self._before, rows)
        if self.is_over:
            _check_end(rows)
            assert self.held() == [], "P4: all has ended, and the matcher believes that workers hold something"
        self._before = rows


def _name(step: Step) -> str:
    return f"{text_of(step.run)}/{step.path}"


def _check_attempts(step: Step, attempts: list[Attempt]) -> None:
    numbers = [attempt.number for attempt in attempts]
    assert numbers == list(range(1, step.latest + 1)), f"numbers of {_name(step)}: {numbers}, latest {step.latest}"
    live = [attempt.number for attempt in attempts if attempt.is_live]
    if isinstance(step.state, Held):
        assert live == [step.latest], f"P3: {_name(step)} is held, and live are {live}"
    else:
        assert live == [], f"P3: {_name(step)} is {step.status}, and live are {live}"
    accepted = [a.number for a in attempts if isinstance(a.state, AttemptEnded) and a.state.end is End.SUCCEEDED]
    assert accepted in ([], [step.latest]), f"P3: accepted of {_name(step)} are {accepted}, latest {step.latest}"
    assert not (accepted and not step.is_final), f"P3: {_name(step)} has a result and is {step.status}"


def _check_counters(rows: Rows) -> None:
    ready = {key: None for key, step in rows.steps.items() if isinstance(step.state, Ready)}
    assert rows.queue.keys() == ready.keys(), "P4: queue rows and ready steps differ"
    live = Counter[bytes]()
    for step in rows.steps.values():
        live[step.run] += _is_live(step) or (step.run, step.path) in rows.waits
    for key in rows.waits:
        assert isinstance(rows.steps[key].state, Waiting), f"{key} is an open wait of a step that is over"
    assert rows.lines.keys() == rows.addressed.keys(), "who waits at an address, and who stands in its mailbox, differ"
    for run in rows.runs.values():
        assert run.live == live[run.id], f"run {text_of(run.id)} counts {run.live} live steps of {live[run.id]}"


def _is_live(step: Step) -> bool:
    """Whether it may be sent to a worker, or has been; a step that waits for its scopes is counted through theirs."""
    match step.state:
        case Ready() | Held():
            return True
        case Waiting(until_at=until_at):
            return until_at is not None
        case _:
            return False


def _check_progress(before: Rows, rows: Rows) -> None:
    for key, step in before.steps.items():
        now = rows.steps.get(key)
        assert now is not None, f"{_name(step)} was there, and is gone"
        assert now.latest >= step.latest, f"the fence of {_name(step)} went back"
        if step.is_final:
            assert now == step, f"P2: {_name(step)} was {step.state}, is {now.state}"
    for key, value in before.values.items():
        if key[1] == "" or before.steps[key[:2]].is_final:
            assert rows.values.get(key) == value, f"P2: the value {key} changed"
    for run in before.runs.values():
        if isinstance(run.state, Ended):
            assert rows.runs[run.id] == run, f"P2: the ended run {text_of(run.id)} changed"


def _check_end(rows: Rows) -> None:
    assert not rows.waits, f"P4: all has ended, and open waits are {[*rows.waits]}"
    assert not rows.left, f"P4: all has ended, and there is {'; '.join(rows.left)}"
    for run in rows.runs.values():
        assert isinstance(run.state, Ended), f"P4: run {text_of(run.id)} is {run.status}"
    for step in rows.steps.values():
        assert step.is_final, f"P4: {_name(step)} is {step.status}"
        failure = getattr(step.state, "failure", None)
        if failure is not None and failure.code is Code.WORKER_LOST and failure.path == step.path:
            assert step.losses >= MAX_LOSSES or step.latest > MAX_LOSSES, (
                f"{_name(step)} failed after {step.losses} losses"
            )
