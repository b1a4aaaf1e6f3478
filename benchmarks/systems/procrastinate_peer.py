"""procrastinate: one worker on a PostgreSQL of its own, which the client opens too. It has no server."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.database import start_postgres
from benchmarks.processes import Program


class Procrastinate:
    name = "procrastinate"
    note = (
        "async worker, 100 at once, LISTEN and NOTIFY; PostgreSQL with fsync on the same machine. It keeps no results: "
        "the client polls the status of a job every millisecond"
    )

    def __init__(self) -> None:
        self._url = ""

    def versions(self) -> Mapping[str, str]:
        return {name: version(name) for name in ("procrastinate", "psycopg")}

    def refusal(self, workload: str) -> str:
        return "" if workload in {"throughput", "one-by-one", "latency", "idle"} else "it has jobs without results"

    def start(self, folder: Path) -> Mapping[str, Program]:
        database, self._url = start_postgres(folder)
        return {"postgres": database}

    def start_worker(self, folder: Path, workload: str) -> Program:
        return Program("worker", ["-m", "benchmarks.systems.procrastinate_worker", self._url], folder)

    def address(self, folder: Path) -> str:
        return self._url
