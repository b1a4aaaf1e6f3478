"""DBOS: one process that runs workflows from a queue, on an SQLite file that the client opens too. No server."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.plan import LAWS
from benchmarks.processes import Program


class Dbos:
    name = "dbos"
    note = (
        "workflows from a queue that is polled every 10 ms (its default is 1 s); SQLite WAL (not its default), "
        "synchronous=FULL; fan-out and chain are steps inside one workflow, in its own process"
    )

    def versions(self) -> Mapping[str, str]:
        return {"dbos": version("dbos"), "sqlalchemy": version("sqlalchemy")}

    def refusal(self, workload: str) -> str:
        if workload in LAWS:
            return "what is asked is how our own cost grows"
        if workload == "claim-100k":
            return "it enqueues some hundreds a second on SQLite: filling 100,000 would take minutes"
        if workload == "process":
            return "it runs steps in threads of its own process, and has nothing that can be killed"
        return ""

    def start(self, folder: Path) -> Mapping[str, Program]:
        return {}

    def start_worker(self, folder: Path, workload: str) -> Program:
        return Program("worker", ["-m", "benchmarks.systems.dbos_worker", self.address(folder)], folder)

    def address(self, folder: Path) -> str:
        return str(folder / "dbos.sqlite")
