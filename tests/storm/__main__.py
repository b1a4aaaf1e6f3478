"""`python -m tests.storm storm | recovery | cancel`: real processes, real kills, and figures of them.

Exit code 1 when something was lost, doubled or changed, or when a bound was missed.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from tests.postgres import PostgresServer, installations
from tests.storm.recovery import Trials, of_cancel, of_server, of_two_servers, of_worker
from tests.storm.report import as_data, as_text
from tests.storm.storm import Size, blow_over

DATABASE = "storm"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    storm = commands.add_parser("storm", help="a storm, and the audit of what it left")
    for each in fields(Size):
        storm.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    storm.add_argument("--json", action="store_true")
    recovery = commands.add_parser("recovery", help="how long it takes until work goes on after kills")
    recovery.add_argument("--database", default="", help="of PostgreSQL, for two servers; own: starts one")
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
    with database_of(given.database) as database:
        size = Size(**{each.name: getattr(given, each.name) for each in fields(Size)} | {"database": database})
        report = asyncio.run(blow_over(size, folder))
    print(json.dumps(as_data(report)) if given.json else as_text(report))
    return not report.wrong


def recovered(given: argparse.Namespace, folder: Path) -> bool:
    is_held = True
    with database_of(given.database) as database:
        for trial in (of_two_servers,) if database else (of_server, of_worker):
            figures = asyncio.run(trial(folder / trial.__name__, Trials(given.trials, database=database)))
            print(figures.text(), flush=True)
            is_held = is_held and figures.is_held
    return is_held


@contextmanager
def database_of(given: str) -> Iterator[str]:
    """Of a PostgreSQL that is started for this, where ``given`` is ``own``."""
    if given != "own":
        yield given
        return
    server = PostgresServer(installations()[0])
    try:
        server.start()
        server.run(f"create database {DATABASE}")
        yield server.socket_url(DATABASE)
    finally:
        server.close()


def cancelled(given: argparse.Namespace, folder: Path) -> bool:
    figures = asyncio.run(of_cancel(folder, Trials(given.trials)))
    print(figures.text())
    return figures.is_held


if __name__ == "__main__":
    sys.exit(main())
