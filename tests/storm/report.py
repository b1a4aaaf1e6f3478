"""The numbers of a storm, as data and as text."""

from dataclasses import asdict

from tests.storm.storm import Report


def as_data(report: Report) -> dict[str, object]:
    counts, notes = report.findings.counts, report.notes
    return {
        "size": asdict(report.size),
        "runs": len(notes.accepted),
        "tasks": notes.counts["tasks"],
        "kills": report.kills,
        "blows": {blow.value: count for blow, count in sorted(report.struck.items(), key=lambda each: -each[1])},
        "lost": counts["lost"],
        "doubled": counts["doubled"],
        "changed": counts["changed"],
        "joins not exact": counts["join not exact"],
        "not final": counts["not final"],
        **{name: count for name, count in sorted(counts.items()) if name not in _VERDICTS},
        **dict(sorted(notes.counts.items())),
        "longest stall in s": round(report.longest_stall_s, 2),
        "blows around it": report.stall_after,
        "seconds": round(report.took_s, 1),
        "tasks per second of load": round(notes.counts["tasks"] / max(_load_s(report), 0.1), 1),
        "wrong": report.wrong,
    }


_VERDICTS = ("lost", "doubled", "changed", "join not exact", "not final")


def _load_s(report: Report) -> float:
    ends = report.notes.ends
    return ends[-1] - ends[0] if ends else 0.0


def as_text(report: Report) -> str:
    lines = []
    for name, value in as_data(report).items():
        match value:
            case dict():
                lines += [f"{name}:", *(f"  {what:<40} {count}" for what, count in value.items())]
            case list():
                lines += [f"{name}: {len(value)}", *(f"  {each}" for each in value)]
            case _:
                lines.append(f"{name:<42} {value}")
    return "\n".join(lines)
