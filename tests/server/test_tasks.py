"""What a server says of tasks, by their names and by their names in URLs."""

import pytest

from tests.server.http import Http
from tests.server.mill import Mill
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
