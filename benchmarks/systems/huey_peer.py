"""huey: one consumer with four threads on an SQLite file that the client opens too. It has no server."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.plan import LAWS
from benchmarks.processes import Program


class Huey:
    name = "huey"
    note = (
        "consumer with 4 threads, polling every 1 to 2 ms (its default is 100 ms and more); SQLite WAL, "
        "synchronous=FULL; fan-out is a chord, chain a pipeline"
    )

    def versions(self) -> Mapping[str, str]:
        return {"huey": version("huey")}

    def refusal(self, workload: str) -> str:
        if workload in LAWS:
            return "what is asked is how our own cost grows"
        return ""

    def start(self, folder: Path) -> Mapping[str, Program]:
        return {}

    def start_worker(self, folder: Path, workload: str) -> Program:
        polling = ["--delay", "0.001", "--max-delay", "0.002"]
        command = [
            "-m",
            "huey.bin.huey_consumer",
            "benchmarks.systems.huey_tasks.queue",
            "-k",
            "process" if workload == "process" else "thread",
            "-w",
            "4",
            "-q",
        ]
        return Program("worker", [*command, *polling], folder, {"BENCH_HUEY_DB": self.address(folder)})

    def address(self, folder: Path) -> str:
        return str(folder / "huey.db")
