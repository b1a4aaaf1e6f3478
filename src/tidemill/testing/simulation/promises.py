"""What must hold of the durable rows of a server, whatever happened to it; P1 to P4 are promises of the README."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any

import apsw

from tidemill.adapters.storage.packing import (
    unpack_attempt,
    unpack_limit,
    unpack_mailbox,
    unpack_run,
    unpack_step,
    unpack_wait,
)
from tidemill.core.ids import text_of
from tidemill.core.retry import MAX_LOSSES
from tidemill.core.run import Attempt, AttemptEnded, Code, End, Ended, Held, Ready, Run, Step, Waiting
from tidemill.testing.simulation.disk import SimDisk
from tidemill.testing.simulation.vfs import SimVFS

StepKey = tuple[bytes, str]
DATABASE = "tidemill.db"


class BrokenPromiseError(AssertionError):
    """Tidemill did not do what it promises."""


@contextmanager
def opened(disk: SimDisk) -> Iterator[apsw.Connection]:
    """The database of a server, on a copy of its disk."""
    with closing(SimVFS(disk)) as vfs, closing(apsw.Connection(DATABASE, vfs=vfs.name)) as db:
        db.execute("pragma locking_mode=exclusive").fetchall()
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # nobody reads this copy again
        yield db


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
        with opened(disk) as db:
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


class Witness:
    """Looks at the disk of a server at each death and at the end, and remembers what was there before.

    ``held`` says what the server that lives now believes to be held by workers.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[bytes, str] = {}  # runs, as people call them
        self.is_over = False
        self.held: Callable[[], list[str]] = list
        self._before: Rows | None = None

    def check(self, disk: SimDisk) -> None:
        """Raises BrokenPromiseError."""
        rows = Rows(disk)
        for said in chain(self._wrong(rows), wrong_steps(rows), wrong_counters(rows), self._wrong_end(rows)):
            raise BrokenPromiseError(said)
        self._before = rows

    def _wrong(self, rows: "Rows") -> Iterator[str]:
        for run, name in self.acknowledged.items():
            if run not in rows.runs:
                yield f"P1: {name} was acknowledged, then lost"
        if self._before is not None:
            yield from wrong_progress(self._before, rows)

    def _wrong_end(self, rows: "Rows") -> Iterator[str]:
        if self.is_over:
            yield from wrong_end(rows)
            if held := self.held():
                yield f"P4: all has ended, and the matcher believes that workers hold {', '.join(held)}"


def _name(step: Step) -> str:
    return f"{text_of(step.run)}/{step.path}"


def wrong_steps(rows: Rows) -> Iterator[str]:
    for key, step in rows.steps.items():
        attempts = rows.attempts.get(key, [])
        numbers = [attempt.number for attempt in attempts]
        if numbers != list(range(1, step.latest + 1)):
            yield f"numbers of {_name(step)}: {numbers}, latest {step.latest}"
        live = [attempt.number for attempt in attempts if attempt.is_live]
        if live != ([step.latest] if isinstance(step.state, Held) else []):
            yield f"P3: {_name(step)} is {step.status}, and live are {live}"
        accepted = [a.number for a in attempts if isinstance(a.state, AttemptEnded) and a.state.end is End.SUCCEEDED]
        if accepted not in ([], [step.latest]):
            yield f"P3: accepted of {_name(step)} are {accepted}, latest {step.latest}"
        if accepted and not step.is_final:
            yield f"P3: {_name(step)} has a result and is {step.status}"


def wrong_counters(rows: Rows) -> Iterator[str]:
    if rows.queue.keys() != {key for key, step in rows.steps.items() if isinstance(step.state, Ready)}:
        yield "P4: queue rows and ready steps differ"
    if rows.lines.keys() != rows.addressed.keys():
        yield "who waits at an address, and who stands in its mailbox, differ"
    live = Counter[bytes]()
    for key, step in rows.steps.items():
        live[step.run] += _is_live(step) or key in rows.waits
        if key in rows.waits and not isinstance(step.state, Waiting):
            yield f"{_name(step)} is an open wait of a step that is over"
    for run in rows.runs.values():
        if run.live != live[run.id]:
            yield f"run {text_of(run.id)} counts {run.live} live steps of {live[run.id]}"


def _is_live(step: Step) -> bool:
    """Whether it may be sent to a worker, or has been; a step that waits for its scopes is counted through theirs."""
    match step.state:
        case Ready() | Held():
            return True
        case Waiting(until_at=until_at):
            return until_at is not None
        case _:
            return False


def wrong_progress(before: Rows, rows: Rows) -> Iterator[str]:
    """What was recorded stays."""
    for key, step in before.steps.items():
        now = rows.steps.get(key)
        if now is None:
            yield f"{_name(step)} was there, and is gone"
        elif now.latest < step.latest:
            yield f"the fence of {_name(step)} went back"
        elif step.is_final and now != step:
            yield f"P2: {_name(step)} was {step.state}, is {now.state}"
    fixed = {place: value for place, value in before.values.items() if not place[1] or before.steps[place[:2]].is_final}
    yield from (f"P2: the value {place} changed" for place, value in fixed.items() if rows.values.get(place) != value)
    for run in before.runs.values():
        if isinstance(run.state, Ended) and rows.runs.get(run.id) != run:
            yield f"P2: the ended run {text_of(run.id)} changed"


def wrong_end(rows: Rows) -> Iterator[str]:
    """When nothing is to come any more, nothing is open."""
    if rows.waits:
        yield f"P4: all has ended, and open waits are {[*rows.waits]}"
    if rows.left:
        yield f"P4: all has ended, and there is {'; '.join(rows.left)}"
    for run in rows.runs.values():
        if not isinstance(run.state, Ended):
            yield f"P4: run {text_of(run.id)} is {run.status}"
    for step in rows.steps.values():
        if not step.is_final:
            yield f"P4: {_name(step)} is {step.status}"
        failure = getattr(step.state, "failure", None)
        is_lost = failure is not None and failure.code is Code.WORKER_LOST and failure.path == step.path
        if is_lost and step.losses < MAX_LOSSES and step.latest <= MAX_LOSSES:
            yield f"{_name(step)} failed after {step.losses} losses"
