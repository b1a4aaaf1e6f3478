"""The systems in turn (A, B, A, B), until each has enough repetitions that nobody disturbed, or time is up."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.disk import fdatasync_ms
from benchmarks.figures import Repetition
from benchmarks.plan import Size, Workload, size_of
from benchmarks.processes import ProcessEndedError
from benchmarks.repetition import repetition
from benchmarks.systems.system import System

EXTRA = 2  # repetitions, at most, in place of disturbed ones

Say = Callable[[str], None]


@dataclass
class Finding:
    """What one system gave for one workload; ``why_not`` when it gave nothing."""

    workload: Workload
    system: System
    size: Size
    repetitions: list[Repetition] = field(default_factory=list)
    disk_ms: dict[str, float] = field(default_factory=dict)
    why_not: str = ""

    def wants_more(self, wanted: int) -> bool:
        quiet = sum(each.is_quiet for each in self.repetitions)
        return not self.why_not and quiet < wanted and len(self.repetitions) < wanted + EXTRA


class Rounds:
    """``budget_s``: after it, nothing is begun but the first repetition of each workload by the first system, ours."""

    def __init__(self, systems: Sequence[System], folder: Path, budget_s: float, say: Say) -> None:
        self._systems, self._folder, self._say = systems, folder, say
        self._until = time.monotonic() + budget_s

    def measure(self, workloads: Sequence[Workload], repeat: int, *, quick: bool) -> Iterator[list[Finding]]:
        """Findings of one workload after the other, ours first."""
        for place, workload in enumerate(workloads):
            until = self._share(len(workloads) - place)
            findings = [
                Finding(workload, system, size_of(workload.name, system.name, quick=quick), why_not=why_not)
                for system in self._systems
                for why_not in [system.refusal(workload.name)]
            ]
            for each in findings:
                each.disk_ms = fdatasync_ms(self._folder)
            while open_ones := [each for each in findings if each.wants_more(repeat)]:
                for finding in open_ones:
                    if time.monotonic() < until or (not finding.repetitions and self._may_begin(finding)):
                        self._repeat(finding)
                if time.monotonic() >= until:
                    break
            yield findings

    def _may_begin(self, finding: Finding) -> bool:
        if finding.system is self._systems[0] or time.monotonic() < self._until:
            return True
        finding.why_not = "no time was left for it: the machine was busy, or --repeat is high"
        return False

    def _share(self, left: int) -> float:
        """When this workload should be done: what is left of the time, in equal parts."""
        now = time.monotonic()
        return now + max(0.0, self._until - now) / left

    def _repeat(self, finding: Finding) -> None:
        began = time.monotonic()
        try:
            found = repetition(finding.system, finding.workload, finding.size, self._folder)
        except (ProcessEndedError, OSError) as error:
            finding.why_not = str(error)
            self._say(f"{finding.workload.name} {finding.system.name}: {finding.why_not}")
            return
        finding.repetitions.append(found)
        head = finding.workload.headline
        self._say(
            f"{finding.workload.name} {finding.system.name}: {head} {found.figures[head]:.4g}, "
            f"foreign {found.foreign_cores:.2f}, {time.monotonic() - began:.1f} s in all"
        )
