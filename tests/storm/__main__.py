"""`python -m tests.storm storm | recovery | cancel`: real processes, real kills, and figures of them.

Exit code 1 when something was lost, doubled or changed, or when a bound was missed.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

from tests.storm.recovery import of_cancel, of_server, of_two_servers, of_worker
from tests.storm.storm import Report, Size, blow_over
from tidemill.engine.together import EngineSettings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    storm = commands.add_parser("storm", help="a storm, and the audit of what it left")
    for each in fields(Size):
        storm.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    storm.add_argument("--json", action="store_true")
    recovery = commands.add_parser("recovery", help="how long it takes until work goes on after kills")
    recovery.add_argument("--database", default="", help="a URL of PostgreSQL: two servers on it, one of them killed")
    cancel = commands.add_parser("cancel", help="how long it takes to stop code that does not listen")
    for command in (recovery, cancel):
        command.add_argument("--trials", type=int, default=20)
    for command in (storm, recovery, cancel):
        command.add_argument("--folder", type=Path, help="kept; by default a temporary one, kept if something is wrong")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="tidemill-storm-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not {"storm": weathered, "recovery": recovered, "cancel": cancelled}[given.command](given, folder):
        print(f"\nlogs, store and ledger are in {folder}", file=sys.stderr)
        return 1
    if given.folder is None:
        shutil.rmtree(folder)
    return 0


def weathered(given: argparse.Namespace, folder: Path) -> bool:
    size = Size(**{each.name: getattr(given, each.name) for each in fields(Size)})
    report = asyncio.run(blow_over(size, folder))
    print(json.dumps(as_data(report)) if given.json else as_text(report))
    return not report.wrong


def recovered(given: argparse.Namespace, folder: Path) -> bool:
    lease_s = EngineSettings().lease.total_seconds()
    trials = [of_server(folder / "server", given.trials), of_worker(folder / "worker", given.trials, lease_s)]
    if given.database:
        trials = [of_two_servers(folder / "servers", given.trials, given.database)]
    is_held = True
    for trial in trials:
        figures = asyncio.run(trial)
        print(figures.text(), flush=True)
        is_held = is_held and figures.is_held
    return is_held


def cancelled(given: argparse.Namespace, folder: Path) -> bool:
    figures = asyncio.run(of_cancel(folder, given.trials))
    print(figures.text())
    return figures.is_held


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


if __name__ == "__main__":
    sys.exit(main())
