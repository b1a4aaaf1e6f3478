"""A server process on PostgreSQL: it does its work, and goes on when it, or the database, was killed."""

from pathlib import Path

from tests.cli.processes import until
from tests.e2e import writing
from tests.faults.processes import Mill
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
