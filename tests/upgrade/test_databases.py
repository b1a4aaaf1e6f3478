"""What an earlier version wrote is opened by this one, and what it began is finished."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.upgrade.processes import House
from tests.upgrade.versions import DATABASES, ROOT, VERSIONS, unpack
from tidemill import Client
from tidemill.adapters.storage.sqlite.connection import Schema, Synchronous, open_writer

ENDS = ("succeeded", "failed", "cancelled")


def ended(run: Any) -> str:
    end = time.monotonic() + 60
    while (status := run.view().status) not in ENDS:
        assert time.monotonic() < end, f"it stays {status}: {[(step.path, step.status) for step in run.steps()]}"
        time.sleep(0.02)
    return str(status)


def go_on(client: Client, ids: dict[str, str]) -> None:
    """What people do for runs that wait for them."""
    for name in ids.keys() & {"signalled"}:
        run = client.run(ids[name])
        assert run.data()["note"] == "kept"
        run.signal("paid", 12)
    for name in ids.keys() & {"asking"}:
        client.run(ids[name]).approve("yes")
    for name in ids.keys() & {"paused"}:
        assert client.run(ids[name]).view().status == "paused"
        client.run(ids[name]).resume()
    if "signalled" in ids:
        assert [each.name for each in client.schedules.list()] == ["nightly"]


@pytest.mark.parametrize(
    "version", [pytest.param(each, marks=pytest.mark.slow if each == "files" else ()) for each in VERSIONS]
)  # the schema of "files" is that of "tasks"
def test_what_an_earlier_version_began_is_finished_by_this_one(version: str, tmp_path: Path) -> None:
    wanted = json.loads((DATABASES / f"{version}.json").read_text())
    with House(tmp_path) as house:
        unpack(version, house.data)
        house.gate.touch()
        house.server()
        house.worker("everybody")
        with Client(house.url) as client:
            house.wait_for('"live":true')
            go_on(client, {name: id_ for name, (id_, _) in wanted.items()})
            for name, (id_, result) in wanted.items():
                run = client.run(id_)
                status = ended(run)
                assert status == (result if result in ENDS else "succeeded"), name
                if status == "succeeded":
                    assert run.result(timeout=30) == result, name


# The schema ----------------------------------------------------------------------------------------


def schema_of(path: Path) -> list[tuple[Any, ...]]:
    db = apsw.Connection(str(path))
    rows = db.execute("select type, name, tbl_name, sql from sqlite_schema order by type, name").fetchall()
    version = (db.pragma("user_version"), db.pragma("application_id"))
    db.close()
    return [*rows, version]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migrated_schema_is_that_of_a_fresh_store(version: str, tmp_path: Path) -> None:
    unpack(version, tmp_path)
    for name in ("tidemill.db", "fresh.db"):
        open_writer(str(tmp_path / name), Schema.STORE, Synchronous.FULL, None).close()
    assert schema_of(tmp_path / "tidemill.db") == schema_of(tmp_path / "fresh.db")


@pytest.mark.parametrize(("version", "there"), [("tasks", 1), ("workflows", 12)])
def test_an_upgrade_that_is_killed_at_any_statement_goes_on(version: str, there: int, tmp_path: Path) -> None:
    """Each death is that of a real process; `deaths` compares what a second process makes of it."""
    unpack(version, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.upgrade.deaths", str(tmp_path / "tidemill.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = len(list((ROOT / "src/tidemill/adapters/storage/sqlite/migrations/store").glob("*.sql"))) - there
    assert int(done.stdout.split()[0]) > 3 * steps, "a migration has less than three statements"


def test_a_store_of_a_newer_version_is_refused_with_advice(tmp_path: Path) -> None:
    with House(tmp_path) as house:
        unpack("workflows", house.data)
        db = apsw.Connection(str(house.data / "tidemill.db"))
        db.pragma("user_version", 999)
        db.close()
        server = house.server()
        assert server.wait(60) not in (0, None)
        told = house.logs()
        assert "was written by a newer Tidemill" in told
        assert "install that version or a later one, or restore a copy from before its upgrade" in told
        assert "Traceback" not in told
