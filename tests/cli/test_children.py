"""What a worker gives is given in its child processes too."""

import signal

from tests.cli.processes import Mill
from tidemill import Client

MAIN = """
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from tidemill import Backend, Context, Depends, Proceed, Scope, TaskCall, Worker, injected

mill = Worker("mill", backend=Backend.PROCESS)


def note(text: str) -> None:
    with Path("noted.txt").open("a") as noted:
        noted.write(text + "\\n")


async def weights() -> int:
    note("weights made")
    return 10


def place(ctx: Context) -> Iterator[str]:
    yield ctx.task
    note("place left")


@mill.middleware
async def doubled(call: TaskCall, proceed: Proceed) -> Any:
    return [2 * (await proceed(call))[0], os.getpid()]


@mill.task
def scaled(
    x: int,
    *,
    by: Annotated[int, Depends(weights, scope=Scope.WORKER)] = injected,
    place: Annotated[str, Depends(place)] = injected,
) -> list[int]:
    return [x * by + len(place), os.getpid()]
"""


def test_a_child_process_provides_and_goes_around_as_its_worker_does(mill: Mill) -> None:
    (mill.folder / "main.py").write_text(MAIN)
    with mill.server() as (_, url), mill.process("worker", "main.py", "--url", url) as worker:
        worker.wait_for("connected")
        with Client(url) as client:
            results = [client.submit_named("mill.scaled", {"x": x}).result(60) for x in (1, 2)]
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0, worker.said
    assert [number for number, _ in results] == [2 * (10 + 11), 2 * (20 + 11)]
    children = {pid for _, pid in results}
    assert worker.popen.pid not in children
    noted = (mill.folder / "noted.txt").read_text().splitlines()
    assert noted.count("weights made") == len(children)
    assert noted.count("place left") == 2
