"""Two ways to run a task, and a record of what happened."""

from collections.abc import Callable
from typing import Any

import pytest

from tidemill import Worker
from tidemill.testing.local import local

Run = Callable[..., Any]


def in_worker(worker: Worker) -> Run:
    def run(task: Any, *args: Any) -> Any:
        with local(worker) as client:
            return client.submit(task, *args).result()

    return run


@pytest.fixture(params=["called plainly", "in a worker"])
def run_of(request: pytest.FixtureRequest) -> Callable[[Worker], Run]:
    """How a task is run: as a function of this process, or by a worker."""
    if request.param == "called plainly":
        return lambda worker: lambda task, *args: task(*args)
    return in_worker


class Events:
    """What happened, in order; from any thread."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, text: str) -> None:
        self.seen.append(text)
