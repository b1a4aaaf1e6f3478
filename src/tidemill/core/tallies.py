"""Attempts that ended, counted by task, and their measures: what Prometheus is told. The series are bounded."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from tidemill.core.telling import Measure, Took

MOST_TASKS = 500
MOST_MEASURES = 2_000  # of a task and a name
OTHER = "other"  # tasks past the bound
PHASES = ("queue", "fetch", "run", "store")


class Sample(Struct, frozen=True):
    """One line of an exposition. ``kind`` is counter or gauge."""

    name: str
    value: float
    kind: str = "gauge"
    labels: tuple[tuple[str, str], ...] = ()


class _OfTask(Struct):
    outcomes: dict[str, int] = {}
    phases_us: list[int] = field(default_factory=lambda: [0] * len(PHASES))
    peak_kib: int = 0


class Tallies:
    """Since the process began."""

    def __init__(self) -> None:
        self._tasks: dict[str, _OfTask] = {}
        self._measures: dict[tuple[str, str], Measure] = {}

    def count(self, task: str, outcome: str, took: Took | None, queued_us: int) -> None:
        """An attempt has ended."""
        found = self._tasks.get(task)
        if found is None:
            task = task if len(self._tasks) < MOST_TASKS else OTHER
            found = self._tasks.setdefault(task, _OfTask())
        found.outcomes[outcome] = found.outcomes.get(outcome, 0) + 1
        phases = found.phases_us
        phases[0] += queued_us
        if took is not None:
            phases[1] += took.fetch_us
            phases[2] += took.run_us
            phases[3] += took.store_us
            found.peak_kib = max(found.peak_kib, took.peak_kib)

    def measure(self, task: str, measures: Iterable[Measure]) -> None:
        """What such an attempt had measured."""
        for each in measures:
            known = self._measures.get((task, each.name))
            if known is not None:
                self._measures[task, each.name] = _joined(known, each)
            elif len(self._measures) < MOST_MEASURES:
                self._measures[task, each.name] = each

    def samples(self) -> list[Sample]:
        found = []
        for task, each in self._tasks.items():
            label = ("task", task)
            for outcome, count in each.outcomes.items():
                found.append(Sample("tidemill_attempts_total", count, "counter", (label, ("outcome", outcome))))
            for phase, took_us in zip(PHASES, each.phases_us, strict=True):
                seconds = took_us / 1_000_000
                found.append(Sample("tidemill_attempt_seconds_total", seconds, "counter", (label, ("phase", phase))))
            found.append(Sample("tidemill_attempt_peak_memory_bytes", each.peak_kib * 1024, "gauge", (label,)))
        for (task, name), measure in self._measures.items():
            labels = (("task", task), ("name", name), ("unit", measure.unit))
            found.append(Sample("tidemill_task_metric", measure.last, "gauge", labels))
            found.append(Sample("tidemill_task_metric_sum", measure.sum, "counter", labels))
            found.append(Sample("tidemill_task_metric_count", measure.count, "counter", labels))
        return found


def _joined(before: Measure, now: Measure) -> Measure:
    return Measure(
        now.name,
        now.last,
        now.unit or before.unit,
        before.count + now.count,
        before.sum + now.sum,
        min(before.least, now.least),
        max(before.most, now.most),
    )


def exposition(samples: Sequence[Sample]) -> str:
    """The text format of Prometheus, version 0.0.4: all lines of one name together, its type before them."""
    names: dict[str, list[Sample]] = {}
    for sample in samples:
        names.setdefault(sample.name, []).append(sample)
    lines = []
    for name, group in names.items():
        lines.append(f"# TYPE {name} {group[0].kind}\n")
        lines += [f"{name}{_labels(sample)} {sample.value!r}\n" for sample in group]
    return "".join(lines)


def _labels(sample: Sample) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
