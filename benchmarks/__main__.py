"""`python -m benchmarks`: Tidemill beside other systems, on the same workloads in the same run."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import report
from benchmarks.disk import IN_MEMORY, file_system
from benchmarks.plan import OURS, PEERS, POSTGRES_PEERS, WORKLOADS, on_postgres
from benchmarks.processes import ROOT
from benchmarks.rounds import Rounds
from benchmarks.systems.dbos_peer import Dbos
from benchmarks.systems.huey_peer import Huey
from benchmarks.systems.procrastinate_peer import Procrastinate
from benchmarks.systems.system import System
from benchmarks.systems.tidemill import OnPostgres, Pair, Tidemill

SYSTEMS: dict[str, type[System]] = {
    "tidemill": Tidemill,
    "huey": Huey,
    "dbos": Dbos,
    "procrastinate": Procrastinate,
}
BUDGET_S, QUICK_BUDGET_S = 290.0, 75.0


def arguments() -> argparse.ArgumentParser:
    workloads = "\n".join(f"  {each.name:<11} {each.text}" for each in WORKLOADS.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n\nworkloads:\n{workloads}",
        epilog="A missed mark is information; it does not fail the run. benchmarks/README.md says what figures mean.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="which ones (default: all)")
    parser.add_argument(
        "--peer",
        action="append",
        choices=[*PEERS, *POSTGRES_PEERS, "none"],
        help="beside whom (default: all; may repeat)",
    )
    parser.add_argument(
        "--repeat", type=int, default=2, metavar="N", help="undisturbed repetitions of each (default: 2)"
    )
    parser.add_argument("--quick", action="store_true", help="smaller, once: about a minute, for a first look")
    parser.add_argument("--json", action="store_true", help="one JSON line per workload and system on standard output")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite", help="of ours (default: sqlite)")
    parser.add_argument(
        "--servers", type=int, choices=[1, 2], default=1, help="2: also two of ours on one PostgreSQL, in turn with one"
    )
    parser.add_argument("--data", type=Path, default=ROOT / ".tidemill", help="a folder on the disk to be measured")
    return parser


def main() -> int:
    parser = arguments()
    given = parser.parse_args()
    unknown = [name for name in given.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]!r}; they are {', '.join(WORKLOADS)}")
    if not sys.platform.startswith("linux"):
        parser.error("CPU and memory are read from /proc, so benchmarks run on Linux only")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended first
    ours: list[System] = [OnPostgres() if given.store == "postgres" else SYSTEMS[OURS]()]
    if given.servers == 2:
        if given.store != "postgres":
            parser.error("two servers need --store postgres")
        ours.append(Pair())
    systems = ours + [SYSTEMS[name]() for name in _peers(given.peer, given.store)]
    folder = _folder(given.data)
    try:
        found = _run(given, systems, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not given.json:
        missed = report.missed(found)
        print("\nmarks missed: " + ("; ".join(missed) or "none"))
    return 0


def _run(given: argparse.Namespace, systems: Sequence[System], folder: Path) -> list[dict[str, Any]]:
    kind = file_system(folder)
    if kind in IN_MEMORY:
        _say(f"{folder} is on {kind}: nothing is durable there, and each figure flatters. Say --data DIR.")
    rounds = Rounds(systems, folder, QUICK_BUDGET_S if given.quick else BUDGET_S, _say)
    wanted = [WORKLOADS[name] for name in dict.fromkeys(given.workloads) or WORKLOADS]
    if given.store == "postgres":
        wanted = [on_postgres(each) for each in wanted]
    found: list[dict[str, Any]] = []
    for findings in rounds.measure(wanted, 1 if given.quick else given.repeat, quick=given.quick):
        for line in report.lines(findings, kind):
            found.append(line)
            print(msgspec.json.encode(line).decode() if given.json else report.text(line), flush=True)
    ours = {line["workload"]: line for line in found if line["system"] == OURS}
    if not given.json and (words := report.depth_line(ours)):
        print(words)
    return found


def _peers(given: Sequence[str] | None, store: str) -> list[str]:
    if given and "none" in given:
        return []
    usual = POSTGRES_PEERS if store == "postgres" else PEERS
    wanted = [name for name in (*PEERS, *POSTGRES_PEERS) if name in (given or usual)]
    for name in wanted:
        if find_spec(name) is None:
            _say(f"{name} is not installed, so it is left out; ./dev bench has it")
    return [name for name in wanted if find_spec(name)]


def _folder(data: Path) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="bench-", dir=data))


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
