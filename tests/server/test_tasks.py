"""What a server says of tasks, by their names and by their names in URLs."""

from typing import Any

import pytest

from tests.server.http import Http
from tests.server.mill import Mill
from tests.server.test_runs import RUNS, submit
from tidemill import DefinitionError, Worker
from tidemill.ports.link import LinkRefusedError
from tidemill.sdk.worker import tasks_in


def worker_with(name: str, task: str) -> Worker:
    worker = Worker(name)

    @worker.task(task)
    def made(x: int) -> int:
        return x

    return worker


@pytest.mark.feature("B5")
async def test_a_task_is_found_by_its_name_in_urls(served: Mill, http: Http) -> None:
    async with served.worker(worker_with("Mill", "make_Flour")):
        for name in ("Mill.make_Flour", "mill.make-flour"):
            (found,) = (await http.get(f"/api/v1/tasks/{name}")).json["tasks"]
            assert found["definition"]["name"] == "Mill.make_Flour"
            assert found["url_name"] == "mill.make-flour"
        assert (await http.get("/api/v1/tasks/mill.make_flour")).problem == "no_task"


@pytest.mark.feature("B5")
def test_two_tasks_of_one_name_in_urls_are_refused_when_declared_and_at_start() -> None:
    worker = worker_with("mill", "make_flour")
    with pytest.raises(DefinitionError, match=r"mill\.make_flour and mill\.make-flour have the same name in URLs"):
        worker.task("make-flour")(lambda: None)
    with pytest.raises(DefinitionError, match="have the same name in URLs"):
        tasks_in([worker, worker_with("Mill", "make_flour")])


@pytest.mark.feature("B5")
async def test_a_server_refuses_a_worker_whose_task_has_the_url_of_another(served: Mill) -> None:
    async with served.worker(worker_with("mill", "make_flour"), name="first"):
        with pytest.raises(LinkRefusedError, match="have the same name in URLs"):
            async with served.worker(worker_with("Mill", "make_flour"), name="second"):
                pass


def grinder(kind: type, **defaults: int) -> Worker:
    """The task mill.grind in one of its versions."""
    worker = Worker("mill")

    def grind(x: int, coarse: int) -> int:
        return x + coarse

    def plain(x: Any) -> int:
        return x

    made = grind if defaults else plain
    made.__annotations__["x"] = kind
    made.__defaults__ = tuple(defaults.values()) or None
    worker.task("grind")(made)
    return worker


async def submitted_to(served: Mill, http: Http, worker: Worker) -> str:
    """A run of a version whose worker has left."""
    async with served.worker(worker, name="old"):
        pass
    return await submit(http, "mill.grind", x=1)


async def test_a_step_is_taken_by_a_compatible_version_of_its_task(served: Mill, http: Http) -> None:
    run = await submitted_to(served, http, grinder(int))
    async with served.worker(grinder(int, coarse=5), name="new"):
        found = (await http.get("/api/v1/tasks/mill.grind")).json["tasks"]
        assert len({each["definition"]["digest"] for each in found}) == 2
        assert (await http.get(f"{RUNS}/{run}/result?wait=10")).json["value"] == 6


async def test_a_step_waits_for_its_version_while_only_breaking_ones_are_there(served: Mill, http: Http) -> None:
    old, new = grinder(int), grinder(str)
    run = await submitted_to(served, http, old)
    async with served.worker(new, name="new"):
        (step,) = (await http.get(f"{RUNS}/{run}/why")).json["steps"]
        digests = [each.tasks["mill.grind"].definition.digest for each in (new, old)]
        told = f"worker new: has mill.grind as {digests[0]}, and the run needs {digests[1]}"
        assert told in step["reasons"]
        async with served.worker(old, name="again"):
            assert (await http.get(f"{RUNS}/{run}/result?wait=10")).json["value"] == 1
