"""What is printed: one JSON line per workload and system, or a table for people."""

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.figures import Summary, Verdict, ratio, rounded, summary, verdict, verdicts
from benchmarks.plan import BESIDE, OURS
from benchmarks.rounds import Finding


def lines(findings: Sequence[Finding], file_system: str) -> list[dict[str, Any]]:
    """Of one workload, as plain data; peers with the ratio of ours to theirs."""
    summaries = {
        each.system.name: summary(each.repetitions, each.workload.headline) for each in findings if each.repetitions
    }
    return [_line(each, summaries, file_system) for each in findings]


def _line(finding: Finding, summaries: Mapping[str, Summary], file_system: str) -> dict[str, Any]:
    workload, system = finding.workload, finding.system
    line: dict[str, Any] = {"workload": workload.name, "what": workload.text, "system": system.name}
    found = summaries.get(system.name)
    if found is None:
        return {**line, "why_not": finding.why_not}
    size = {name: value for name, value in msgspec.to_builtins(finding.size).items() if value}
    line |= {
        "figures": _rounded(found.figures),
        "cpu_us_per_task": _rounded(found.cpu_us_per_task),
        "size": size,
        "repetitions": found.repetitions,
        "spread": rounded(found.spread),
        "foreign_cores": rounded(found.foreign_cores),
        "noisy": found.noisy,
        "disk": {"fdatasync_ms": _rounded(finding.disk_ms), "file_system": file_system},
        "note": system.note,
        "versions": {**machine_versions(), **system.versions()},
    }
    if finding.why_not:
        line["why_not_more"] = finding.why_not
    ours = summaries.get(OURS)
    if system.name == OURS:
        line["marks"] = [_mark(each) for each in verdicts(workload.marks, found)]
    elif ours is not None:
        heads = ours.figures[workload.headline], found.figures[workload.headline]
        better = ratio(*heads, more_is_better=workload.more_is_better)
        if math.isfinite(better):  # by none, if ours is too small to be counted
            line["tidemill_is_better_by"] = rounded(better)
            if mark := BESIDE.get((workload.name, system.name)):
                line["marks"] = [_mark(verdict(mark, better))]
    return line


def _mark(verdict: Verdict) -> dict[str, Any]:
    measured = None if verdict.measured is None else rounded(verdict.measured)
    return {"figure": verdict.figure, "bound": verdict.bound, "measured": measured, "holds": verdict.holds}


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: rounded(value) for name, value in figures.items()}


def machine_versions() -> dict[str, str]:
    return {"python": platform.python_version(), "kernel": platform.release(), "cores": str(os.cpu_count())}


def depth_line(found: Mapping[str, dict[str, Any]]) -> str:
    """What the depth of the queue costs: ours at 100,000 queued against 100."""
    shallow, deep = (found.get(name, {}).get("figures", {}).get("tasks_per_s") for name in ("claim-100", "claim-100k"))
    if not shallow or not deep:
        return ""
    return f"completions with the deep queue: {deep / shallow:.2f} of those with the shallow one"


def text(line: Mapping[str, Any]) -> str:
    """One line as a few lines of text."""
    head = f"{line['workload']:<11} {line['system']:<9}"
    if "figures" not in line:
        return f"{head} not done: {line['why_not']}"
    figures = ", ".join(f"{name} {value:,.6g}" for name, value in line["figures"].items() if name != "tasks")
    cpu = ", ".join(f"{role} {value:,.4g}" for role, value in line["cpu_us_per_task"].items())
    parts = [f"{head} {figures}"]
    if cpu:
        parts.append(f"{'':<21} CPU µs per task: {cpu}")
    parts.append(f"{'':<21} {_conditions(line)}")
    if "tidemill_is_better_by" in line:
        parts.append(f"{'':<21} tidemill is better by {line['tidemill_is_better_by']:,.4g}")
    parts += [f"{'':<21} {_held(mark)}" for mark in line.get("marks", ())]
    return "\n".join(parts)


def _conditions(line: Mapping[str, Any]) -> str:
    noise = " NOISY" if line["noisy"] else ""
    spread, foreign = line["spread"], line["foreign_cores"]
    return f"repetitions {line['repetitions']}, spread {spread:.3g}, foreign cores {foreign:.2g}{noise}"


def _held(mark: Mapping[str, Any]) -> str:
    words = {True: "holds", False: "MISSED", None: "not measured"}[mark["holds"]]
    return f"mark {mark['figure']} {mark['bound']}: {words}"


def missed(all_lines: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{line['workload']} {mark['figure']} {mark['bound']} (measured {mark['measured']:g})"
        for line in all_lines
        for mark in line.get("marks", ())
        if mark["holds"] is False
    ]
