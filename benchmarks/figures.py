"""Figures of repetitions: percentiles, medians, spreads, and the marks that they are held against. All pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOISY_CORES = 0.12  # CPU used by others; above it a repetition says more about them than about us

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Mark:
    """What a figure should reach: ``at_least`` or ``at_most``, whichever is given."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Verdict:
    """A mark against what was measured; ``holds`` is None where nothing was."""

    figure: str
    bound: str
    measured: float | None
    holds: bool | None


@dataclass(frozen=True)
class Repetition:
    """One run of one workload by one system. CPU seconds by process; ``tasks`` is what they are divided by."""

    figures: Figures
    tasks: int
    cpu_s: Mapping[str, float]
    foreign_cores: float

    @property
    def is_quiet(self) -> bool:
        return self.foreign_cores <= NOISY_CORES


@dataclass(frozen=True)
class Summary:
    """Medians over the repetitions that count: the quiet ones, or all where none was quiet."""

    figures: Figures
    cpu_us_per_task: Figures
    spread: float
    foreign_cores: float
    repetitions: int
    noisy: bool


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency_figures(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{round(share * 100)}_ms": percentile(seconds, share) * 1e3 for share in (0.5, 0.95, 0.99)}


def summary(repetitions: Sequence[Repetition], headline: str) -> Summary:
    """``headline`` is the figure whose spread (largest by smallest) is given."""
    counted = [each for each in repetitions if each.is_quiet] or list(repetitions)
    heads = [each.figures[headline] for each in counted if each.figures.get(headline)]
    return Summary(
        figures=_medians([each.figures for each in counted]),
        cpu_us_per_task=_medians([_cpu_us(each) for each in counted]),
        spread=max(heads) / min(heads) if heads else 1.0,
        foreign_cores=max(each.foreign_cores for each in counted),
        repetitions=len(counted),
        noisy=not all(each.is_quiet for each in counted),
    )


def _cpu_us(repetition: Repetition) -> dict[str, float]:
    if not repetition.tasks:
        return {}
    return {role: seconds / repetition.tasks * 1e6 for role, seconds in repetition.cpu_s.items()}


def _medians(rows: Sequence[Figures]) -> dict[str, float]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: statistics.median(row[name] for row in rows if name in row) for name in names}


def verdicts(marks: Sequence[Mark], found: Summary) -> list[Verdict]:
    """A mark on `cpu_us.ROLE` is one on the CPU per task of that process."""
    measured = dict(found.figures) | {f"cpu_us.{role}": value for role, value in found.cpu_us_per_task.items()}
    return [verdict(mark, measured.get(mark.figure)) for mark in marks]


def verdict(mark: Mark, value: float | None) -> Verdict:
    bound = f">= {mark.at_least:g}" if mark.at_least is not None else f"<= {mark.at_most:g}"
    return Verdict(mark.figure, bound, value, None if value is None else mark.holds(value))


def ratio(ours: float, theirs: float, *, more_is_better: bool) -> float:
    """How many times better ours is; below 1 it is worse."""
    over, under = (ours, theirs) if more_is_better else (theirs, ours)
    return over / under if under else float("inf")


def rounded(value: float) -> float:
    """Four figures that count; whole numbers from a thousand on."""
    return float(round(value)) if abs(value) >= 1000 else float(f"{value:.4g}")
