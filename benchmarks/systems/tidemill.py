"""Tidemill: a server and one worker, over a real socket, SQLite with fsync at commit."""

import http.client
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.database import start_postgres
from benchmarks.processes import ProcessEndedError, Program, free_port
from tidemill import __version__

START_S = 20.0
_MAIN = ["-c", "from tidemill.cli.main import main; main()"]


class Tidemill:
    name = "tidemill"
    note = "server and one worker over a socket; SQLite, synchronous=FULL; async tasks, 100 at once"

    def __init__(self) -> None:
        self._port = 0
        self._settings: dict[str, str] = {}

    def versions(self) -> Mapping[str, str]:
        found = {"tidemill": __version__}
        for name in ("apsw", "uvicorn", "uvloop", "picows", "aiohttp"):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        return found

    def refusal(self, workload: str) -> str:
        return ""

    def start(self, folder: Path) -> Mapping[str, Program]:
        self._port, server = self._serve(folder, "server")
        return {"server": server}

    def start_worker(self, folder: Path, workload: str) -> Program:
        tasks = "benchmarks/apart.py" if workload == "process" else "benchmarks/tasks.py"
        return self._work(folder, "worker", tasks, self._port)

    def address(self, folder: Path) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _serve(self, folder: Path, role: str) -> tuple[int, Program]:
        port = free_port()
        command = [*_MAIN, "server", "--port", str(port), "--data", str(folder / "server")]
        server = Program(role, command, folder, self._settings)
        try:
            self._await(server, port)
        except BaseException:
            server.stop()
            raise
        return port, server

    def _work(self, folder: Path, role: str, tasks: str, port: int) -> Program:
        command = [*_MAIN, "worker", tasks, "--url", f"http://127.0.0.1:{port}"]
        return Program(role, command, folder, {"TIDEMILL_DATA": str(folder / role), "TIDEMILL_WORKER_ID": role})

    def _await(self, server: Program, port: int) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            server.check()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            try:
                connection.request("GET", "/api/v1/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.02)
        raise ProcessEndedError(f"the server did not answer in {START_S:.0f} s")


class OnPostgres(Tidemill):
    """The same on a PostgreSQL of its own, with its defaults: each commit is synced."""

    note = "server and one worker over a socket; PostgreSQL with fsync on the same machine; async tasks, 100 at once"

    def start(self, folder: Path) -> Mapping[str, Program]:
        database, url = start_postgres(folder)
        try:
            self._settings = {"TIDEMILL_DATABASE_URL": url}
            return {"postgres": database, **super().start(folder)}
        except BaseException:
            database.stop()
            raise


class Pair(OnPostgres):
    """Two servers on it, each with a worker; the client gives each half of the tasks."""

    name = "pair"
    note = "two servers on one PostgreSQL, each with one worker; tasks go to the one and the other in turn"

    def refusal(self, workload: str) -> str:
        return "" if workload in {"throughput", "latency", "idle"} else "it is for throughput, latency and idle"

    def start(self, folder: Path) -> Mapping[str, Program]:
        programs = dict(super().start(folder))
        try:
            self._second_port, programs["server-2"] = self._serve(folder, "server-2")
            programs["worker-2"] = self._work(folder, "worker-2", "benchmarks/tasks.py", self._second_port)
        except BaseException:
            for program in reversed(programs.values()):
                program.stop()
            raise
        return programs

    def address(self, folder: Path) -> str:
        return f"{super().address(folder)},http://127.0.0.1:{self._second_port}"
