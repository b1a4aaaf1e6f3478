"""What a server must make of what it is told, in the fewest words: runs of four shapes, their steps, their attempts.

The model decides nothing that has a choice: which worker gets a step is what the machine has seen, and the model says
whether it was right. All else it foretells. Instants are seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

LEASE_S, SECOND_LOOK_S, STOP_S = 30.0, 0.5, 30.0
NAP_S, PATIENCE_S = 60.0, 100.0
MOST_LOSSES, MOST_UNSTARTED = 3, 10
TRIES = {"transient": 3, "timeout": 3, "resource": 3}
FINAL = {"succeeded", "failed", "cancelled"}


SHAPES = {
    "lone": ("noop",),
    "chain": ("noop", "then"),
    "mapped": ("each[0]/noop", "each[1]/noop", "each[2]/noop"),
    "signal": ("hold", "noop"),
    "timed": ("hold", "noop"),
}
WAITS = {"signal": PATIENCE_S, "timed": NAP_S}  # how long `hold` waits: in vain, then; for nothing else

Ref = tuple[bytes, str, int]


@dataclass
class ModelAttempt:
    session: bytes
    end: str = ""  # "" while it is live
    started: bool = False
    told_at: float | None = None  # when it was told to stop


@dataclass
class ModelStep:
    state: str = "ready"  # or leased, running, retry, waiting, and the final ones
    latest: int = 0
    failures: int = 0
    losses: int = 0
    value: int | None = None
    due_at: float = 0.0
    number: int = 0  # of the attempt that succeeded

    @property
    def is_live(self) -> bool:
        return self.state not in FINAL


@dataclass
class ModelRun:
    shape: str
    body: int
    begun_at: float
    taken: dict[str, int] = field(default_factory=dict)  # of a fork: what its origin has recorded
    state: str = "running"
    outcome: str = ""  # that it closes with
    steps: dict[str, ModelStep] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        return SHAPES[self.shape]

    @property
    def window(self) -> int:
        return 2 if self.shape == "mapped" else 1

    @property
    def is_over(self) -> bool:
        return self.state in FINAL

    @property
    def is_closing(self) -> bool:
        return self.state == "cancelling"


@dataclass
class ModelSession:
    worker: str
    lease_until: float
    doubted_at: float = -1.0
    connected: bool = True
    credit: int = 0


class Runs:
    """Runs and their steps."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.runs: dict[bytes, ModelRun] = {}
        self.attempts: dict[Ref, ModelAttempt] = {}
        self.sessions: dict[bytes, ModelSession] = {}  # those that are alive

    def submit(self, run: bytes, shape: str, body: int) -> None:
        self._begin(run, ModelRun(shape, body, self.now))

    def fork(self, run: bytes, origin: bytes) -> None:
        old = self.runs[origin]
        taken = {path: step.value or 0 for path, step in old.steps.items() if step.state == "succeeded"}
        self._begin(run, ModelRun(old.shape, old.body, self.now, taken))

    def _begin(self, run: bytes, row: ModelRun) -> None:
        self.runs[run] = row
        self._open(row)

    def _open(self, row: ModelRun) -> None:
        """Steps begin in order, so many at once as the window lets; the last one ends the run."""
        for path in row.paths:
            if path in row.steps:
                continue
            if sum(step.is_live for step in row.steps.values()) >= row.window:
                return
            if path in row.taken:
                row.steps[path] = ModelStep("succeeded", value=row.taken[path])
            elif path == "hold":
                row.steps[path] = ModelStep("waiting", due_at=self.now + WAITS[row.shape])
            else:
                row.steps[path] = ModelStep()
        if not any(step.is_live for step in row.steps.values()):
            row.state = "succeeded"

    def _close(self, row: ModelRun, outcome: str) -> None:
        row.state, row.outcome = "cancelling", outcome
        for path, step in row.steps.items():
            if step.state in ("ready", "retry", "waiting"):
                step.state = "cancelled"
            elif step.is_live:
                self._attempt(row, path).told_at = self.now
        self._end_if_quiet(row)

    def _attempt(self, row: ModelRun, path: str) -> ModelAttempt:
        [run] = [key for key, each in self.runs.items() if each is row]
        return self.attempts[run, path, row.steps[path].latest]

    def _end_if_quiet(self, row: ModelRun) -> None:
        if row.is_closing and not any(step.is_live for step in row.steps.values()):
            row.state = row.outcome

    def cancel(self, run: bytes) -> None:
        row = self.runs[run]
        if row.state in ("running", "paused"):
            self._close(row, "cancelled")

    def pause(self, run: bytes) -> None:
        if self.runs[run].state == "running":
            self.runs[run].state = "paused"

    def resume(self, run: bytes) -> None:
        if self.runs[run].state == "paused":
            self.runs[run].state = "running"

    def signal(self, run: bytes, value: int) -> str:
        """What the sender hears: "taken", "kept" or "refused"."""
        row = self.runs[run]
        if row.state not in ("running", "paused"):
            return "refused"
        step = row.steps.get("hold")
        if row.shape != "signal" or step is None or step.state != "waiting":
            return "kept"
        step.state, step.value = "succeeded", value
        self._open(row)
        return "taken"


class Attempts(Runs):
    """What workers report, and what becomes of it."""

    def claimable(self) -> list[tuple[bytes, str]]:
        return [
            (run, path)
            for run, row in self.runs.items()
            if row.state == "running"
            for path, step in row.steps.items()
            if step.state == "ready"
        ]

    def assigned(self, session: bytes, ref: Ref) -> None:
        """A worker was given an attempt: was it one's to give?"""
        run, path, number = ref
        step, seat = self.runs[run].steps[path], self.sessions[session]
        assert (run, path) in self.claimable(), (
            f"{path} was leased, and is {step.state} in a {self.runs[run].state} run"
        )
        assert number == step.latest + 1, f"attempt {number} after {step.latest}"
        assert seat.connected, "a worker that is away got an attempt"
        assert seat.credit > 0, "a worker got more than it asked for"
        seat.credit -= 1
        step.latest, step.state = number, "leased"
        self.attempts[ref] = ModelAttempt(session)

    def counts(self, ref: Ref) -> bool:
        """Whether a report of the attempt may still change its step."""
        attempt = self.attempts.get(ref)
        if attempt is None or attempt.end not in ("", "lost"):
            return False
        step = self.runs[ref[0]].steps[ref[1]]
        return step.is_live and step.latest == ref[2]

    def _answer(self, ref: Ref) -> str:
        attempt = self.attempts.get(ref)
        return "ack" if attempt is not None and attempt.end not in ("", "lost", "presumed") else "stale"

    def started(self, ref: Ref) -> str:
        """What the worker hears; "" for nothing."""
        if not self.counts(ref):
            return "stale"
        attempt = self.attempts[ref]
        if not attempt.end and attempt.told_at is None:
            attempt.started = True
            self.runs[ref[0]].steps[ref[1]].state = "running"
        return ""

    def succeed(self, ref: Ref, value: int) -> str:
        if not self.counts(ref):
            return self._answer(ref)
        row = self.runs[ref[0]]
        step = row.steps[ref[1]]
        self.attempts[ref].end = step.state = "succeeded"
        step.value, step.number = value, ref[2]
        if row.is_closing:
            self._end_if_quiet(row)
        else:
            self._open(row)
        return "ack"

    def fail(self, ref: Ref, code: str, proof: str = "") -> str:
        if not self.counts(ref):
            return self._answer(ref)
        row = self.runs[ref[0]]
        step = row.steps[ref[1]]
        self.attempts[ref].end = proof or "failed"
        if row.is_closing:
            self._stopped(row, step)
        else:
            step.failures += 1
            if step.failures < TRIES.get(code, 1):
                step.state, step.due_at = "retry", self.now + min(2.0 ** (step.failures - 1), 600.0)
            else:
                self._give_up(row, step)
        return "ack"

    def release(self, ref: Ref) -> str:
        if not self.counts(ref) or self.attempts[ref].end:
            return self._answer(ref)
        row = self.runs[ref[0]]
        self.attempts[ref].end = "released"
        if row.is_closing:
            self._stopped(row, row.steps[ref[1]])
        else:
            row.steps[ref[1]].state = "ready"
        return "ack"

    def _stopped(self, row: ModelRun, step: ModelStep) -> None:
        step.state = "cancelled"
        self._end_if_quiet(row)

    def _give_up(self, row: ModelRun, step: ModelStep) -> None:
        step.state = "failed"
        self._close(row, "failed")

    def lose(self, refs: Iterable[Ref]) -> None:
        """Their worker is gone, or no longer has them."""
        for ref in refs:
            attempt = self.attempts[ref]
            if not self.counts(ref) or attempt.end:
                continue
            row = self.runs[ref[0]]
            step = row.steps[ref[1]]
            if row.is_closing:
                attempt.end = "presumed"
                self._stopped(row, step)
                continue
            attempt.end = "lost"
            step.losses += attempt.started or step.latest - step.failures - step.losses > MOST_UNSTARTED
            if step.losses < MOST_LOSSES:
                step.state = "ready"
            else:
                self._give_up(row, step)


class Reference(Attempts):
    """Sessions, their leases, and time."""

    def live(self, sessions: Iterable[bytes]) -> list[Ref]:
        wanted = set(sessions)
        return sorted(ref for ref, each in self.attempts.items() if not each.end and each.session in wanted)

    def hello(self, session: bytes, worker: str, listed: Iterable[Ref]) -> tuple[set[Ref], set[Ref]]:
        """What the worker keeps, and what is stale."""
        known = set(listed)
        old = [key for key, each in self.sessions.items() if each.worker == worker and key != session]
        believed = self.live([session, *old])
        keep = {ref for ref in known if self.counts(ref)}
        self.lose(ref for ref in believed if ref not in known)
        for ref in believed:
            if ref in keep and not self.attempts[ref].end:
                self.attempts[ref].session = session
        for each in old:
            del self.sessions[each]
        self.sessions[session] = ModelSession(worker, self.now + LEASE_S)
        return {ref for ref in keep if self.counts(ref)}, known - keep

    def word(self, session: bytes) -> None:
        """Any word of a worker extends its lease."""
        self.sessions[session].lease_until = self.now + LEASE_S

    def part(self, session: bytes) -> None:
        """It said goodbye, or its lease is over."""
        del self.sessions[session]
        self.lose(self.live([session]))

    def advance(self, by_s: float) -> None:
        """Time passes, and the server looks."""
        self.now += by_s
        self._look_at_leases()
        for ref in [ref for ref, each in self.attempts.items() if not each.end and self._is_overdue(each)]:
            self.lose([ref])
        for row in self.runs.values():
            for step in list(row.steps.values()):
                if step.due_at <= self.now:
                    self._due(row, step)

    def _look_at_leases(self) -> None:
        for session, seat in list(self.sessions.items()):
            if seat.lease_until > self.now:
                continue
            if seat.doubted_at < seat.lease_until:
                seat.doubted_at = self.now
            elif self.now - seat.doubted_at >= SECOND_LOOK_S:
                self.part(session)

    def _is_overdue(self, attempt: ModelAttempt) -> bool:
        return attempt.told_at is not None and attempt.told_at + STOP_S <= self.now

    def _due(self, row: ModelRun, step: ModelStep) -> None:
        if step.state == "retry":
            step.state = "ready"
        elif step.state == "waiting" and row.shape == "timed":
            step.state = "succeeded"
            self._open(row)
        elif step.state == "waiting":
            self._give_up(row, step)

    def restart(self) -> None:
        """Another life of the server: nobody is connected, and time without it does not count."""
        for seat in self.sessions.values():
            seat.connected, seat.credit, seat.doubted_at = False, 0, -1.0
            seat.lease_until = self.now + LEASE_S
