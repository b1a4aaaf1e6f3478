"""After a storm: what the client was told, the rows of the store, and the ledger of executions must agree."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.storm.load import Notes, Told, expected
from tests.storm.rows import Rows
from tests.storm.tasks import LINKS, Mark, digest
from tidemill.adapters.storage.packing import unpack_attempt, unpack_history, unpack_run, unpack_step, unpack_value
from tidemill.core.ids import text_of
from tidemill.core.run import UNFINISHED, AttemptEnded, End
from tidemill.core.values import Inline

StepKey = tuple[str, str]  # run, path
LAST = ("add", f"link{LINKS - 1}", "grain", "sift", "stubborn", "crunch")  # steps whose result is that of their run


@dataclass(frozen=True)
class Execution:
    what: str
    run: str
    path: str
    number: int
    by: str
    seen: str
    at: float


def read_ledger(file: Path) -> Iterator[Execution]:
    for line in file.read_text().splitlines() if file.exists() else ():
        what, run, path, number, by, seen, at = line.split(" ")
        yield Execution(what, run, path, int(number), by, seen, float(at))


@dataclass
class Findings:
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def blame(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        self.wrong.append(f"{kind}: {what}")


class Audit:
    def __init__(self, rows: Rows, ledger: Sequence[Execution], notes: Notes) -> None:
        self._rows, self._notes, self.found = rows, notes, Findings()
        self._executions: dict[StepKey, list[Execution]] = defaultdict(list)
        for each in ledger:
            self._executions[each.run, each.path].append(each)
        self._keys: dict[str, list[StepKey]] = defaultdict(list)  # of each run
        self._recorded: dict[StepKey, Mark] = {}  # results that are marks
        self._successes: dict[StepKey, int] = {}  # the attempt that gave the recorded result

    def run(self) -> Findings:
        self._check_runs()
        self._check_told()
        self._check_steps()
        self._check_attempts()
        self._check_history()
        self._check_results()
        self._check_what_was_seen()
        self._check_leftovers()
        self._count_executions()
        return self.found

    def _check_runs(self) -> None:
        there = {}
        for (packed,) in self._rows.read("select packed from run"):
            run = unpack_run(packed)
            there[text_of(run.id)] = run.status
            if run.status in UNFINISHED or run.live:
                self.found.blame("not final", f"run {text_of(run.id)} is {run.status} with {run.live} live steps")
        for run_id in self._notes.accepted:
            if run_id not in there:
                self.found.blame("lost", f"run {run_id} was acknowledged, and the store has no row of it")
        self.found.counts["runs"] = len(there)
        self.found.counts["runs nobody was told of"] = len(there) - len(self._notes.accepted)

    def _check_told(self) -> None:
        for run, order in self._notes.accepted.items():
            told, wanted = self._notes.told.get(run), expected(order)
            if told is None:
                self.found.blame("lost", f"nobody was told how run {run} ended ({order})")
            elif Told(told.status, told.value) != wanted:
                self.found.blame("wrong result", f"run {run} of {order} gave {told} and not {wanted}")

    def _check_steps(self) -> None:
        for (packed,) in self._rows.read("select packed from step"):
            step = unpack_step(packed)
            self.found.counts["steps"] += 1
            if not step.is_final:
                self.found.blame("not final", f"step {step.path} of run {text_of(step.run)} is {step.status}")

    def _check_attempts(self) -> None:
        for packed, holder in self._rows.read("select packed, holder from attempt"):
            attempt = unpack_attempt(packed)
            where = f"attempt {attempt.number} of {attempt.path} in run {text_of(attempt.run)}"
            self.found.counts["attempts"] += 1
            if not isinstance(attempt.state, AttemptEnded) or holder is not None:
                self.found.blame("not final", f"{where} is {attempt.state}")
                continue
            self.found.counts[f"attempts {attempt.state.end.value}"] += 1
            if attempt.state.end is End.SUCCEEDED:
                key = (text_of(attempt.run), attempt.path)
                if self._successes.setdefault(key, attempt.number) != attempt.number:
                    self.found.blame("doubled", f"{where} succeeded, as attempt {self._successes[key]} did")

    def _check_history(self) -> None:
        ends = Counter[tuple[bytes, str]]()
        for (packed,) in self._rows.read("select packed from history"):
            history = unpack_history(packed)
            ends.update((history.run, entry.path) for entry in history.events if entry.kind == "step_succeeded")
        for (run, path), count in ends.items():
            if count > 1:
                self.found.blame("doubled", f"the history of run {text_of(run)} records {path} {count} times")

    def _check_results(self) -> None:
        """Each recorded result was made by the attempt that is recorded as its maker, and is what a client was told."""
        for run_id, path, port, packed in self._rows.read("select run, path, port, packed from value"):
            value, key = unpack_value(packed), (text_of(run_id), path)
            if port != "value" or key not in self._successes or not isinstance(value, Inline):
                continue
            mark = _mark_of(value.data)
            if mark is None:
                continue
            self._recorded[key] = mark
            made = [each for each in self._executions[key] if each.by == mark.by]
            if [each.number for each in made] != [self._successes[key]]:
                said = f"attempt {self._successes[key]} is recorded with the result of {mark.by}"
                self.found.blame("doubled", f"{key}: {said}")
        for key, mark in self._recorded.items():
            told = self._notes.told.get(key[0])
            if told is not None and told.by and key[1] in LAST and told.by != mark.by:
                self.found.blame("changed", f"run {key[0]}: a client was told {told.by}, and {mark.by} is recorded")
        self.found.counts["results compared"] = len(self._recorded)

    def _check_what_was_seen(self) -> None:
        """Each execution that read results of other steps read the recorded ones, all of them, in order."""
        for (run, path), executions in self._executions.items():
            if executions[0].what not in ("add", "carry"):
                continue
            self.found.counts["joins checked" if executions[0].what == "add" else "links checked"] += 1
            wanted = digest([self._recorded[key] for key in self._feeding(run, path)])
            for each in executions:
                if each.seen != wanted:
                    self.found.blame(
                        "join not exact", f"{path} of run {run} saw other results at attempt {each.number}"
                    )

    def _feeding(self, run: str, path: str) -> list[StepKey]:
        """The steps whose results a step is given, in their order."""
        if path != "add":
            return [(run, f"link{int(path.removeprefix('link')) - 1}")]
        elements = [key for key in self._by_run()[run] if key in self._recorded and key[1] != path]
        return sorted(elements, key=lambda key: int(key[1].partition("[")[2].partition("]")[0]))

    def _by_run(self) -> dict[str, list[StepKey]]:
        if not self._keys:
            for key in self._executions:
                self._keys[key[0]].append(key)
        return self._keys

    def _check_leftovers(self) -> None:
        for table in ("queue", "timer"):
            for run, path in self._rows.read(f"select run, path from {table}"):
                self.found.blame("not final", f"a row of {table} is left for {path} of run {text_of(run)}")

    def _count_executions(self) -> None:
        counts = self.found.counts
        for executions in self._executions.values():
            counts["executions"] += len(executions)
            counts["executions again"] += len(executions) - 1
            for number, times in Counter(each.number for each in executions).items():
                if times > 1:
                    self.found.blame("executed twice", f"attempt {number} of {executions[0].run}/{executions[0].path}")


def _mark_of(data: bytes) -> Mark | None:
    try:
        return msgspec.msgpack.decode(data, type=Mark)
    except msgspec.ValidationError:
        return None
