"""A server process on PostgreSQL: it does its work, and goes on when it, or the database, was killed."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.processes import until
from tests.e2e import writing
from tests.faults.processes import COMMAND, Mill, free_port
from tests.postgres import PostgresServer
from tidemill import Client
from tidemill.core.errors import UnavailableError


def test_work_goes_on_after_a_server_or_the_database_was_killed(tmp_path: Path, own_postgres: PostgresServer) -> None:
    mill = Mill(tmp_path, Path(writing.__file__), TIDEMILL_DATABASE_URL=own_postgres.url())
    with mill, mill.telling(), Client(mill.url) as client:
        runs = [client.submit(writing.caption, photo=f"photo {number}") for number in range(20)]
        mill.server.kill()
        own_postgres.kill()
        mill.server.start()
        until(lambda: "waits up to" in (tmp_path / "server.log").read_text(), lambda: "a server that waits")
        own_postgres.start()
        assert [run.result(timeout=60) for run in runs] == [f"PHOTO {number}" for number in range(20)]
        own_postgres.kill()
        own_postgres.start()

        def is_submitted() -> bool:
            try:
                runs.append(client.submit(writing.caption, photo="after"))
            except UnavailableError:
                return False
            return True

        until(is_submitted, lambda: "a submission that the server takes")
        assert runs[-1].result(timeout=60) == "AFTER"
        assert {run.status() for run in runs} == {"succeeded"}
        assert not list((tmp_path / "data").glob("*.db"))
        said = (tmp_path / "server.log").read_text()
        assert f"from {own_postgres.url().replace(':tests%20only', '')}\n" in said
        assert "tests only" not in said
        assert "tests%20only" not in said


@pytest.mark.parametrize(
    "words",
    [
        ("server", "--port", "0", "--database-wait", "0.5"),
        ("run", writing.__file__, "--workflow", "desk.caption", "--photo", "x"),
    ],
)
def test_a_database_that_does_not_come_is_named_without_its_password(tmp_path: Path, words: tuple[str, ...]) -> None:
    url = f"postgresql://ann:secret@127.0.0.1:{free_port()}/x"
    environment = {**os.environ, "TIDEMILL_DATABASE_URL": url, "TIDEMILL_DATA": str(tmp_path)}
    ended = subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in {2, 3}
    assert f"{url.replace(':secret', '')} is not listening: start PostgreSQL" in ended.stderr
    assert "secret" not in ended.stdout + ended.stderr
