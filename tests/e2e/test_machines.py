"""A machine of states with a DAG in it: a real server, a real worker, the client, the command line and plain HTTP."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Mill
from tidemill import AsyncClient, Client, RunFailedError
from tidemill.client.blocking import Run
from tidemill.client.errors import TidemillError

HERE = Path(__file__).parent
pytest.importorskip("lark", reason="the extra `cel` is not installed")


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    with Mill(tmp_path_factory.mktemp("mill"), HERE / "writing.py") as mill:
        yield mill


@pytest.fixture(scope="module")
def writing() -> Any:
    sys.path.insert(0, str(HERE))
    import writing

    return writing


@pytest.fixture(scope="module")
def client(mill: Mill) -> Iterator[Client]:
    with Client(mill.url) as client:
        yield client


@pytest.fixture(scope="module")
def run(client: Client, writing: Any) -> Run[Any]:
    run: Run[Any] = client.submit(writing.article, topic="sea", photos=["a", "b"])
    run.ended(timeout=30)
    return run


def fetch(mill: Mill, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"{mill.url}/api/v1{path}", timeout=10) as answer:  # loopback
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def tidemill(*arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "tidemill", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=HERE)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.feature("E4")
@pytest.mark.feature("E14")
def test_a_machine_goes_round_and_each_visit_is_a_record(run: Run[Any], writing: Any) -> None:
    assert run.result() == ["sea!!.pdf", "sea!!.html"] == writing.article("sea", ["a", "b"])
    assert run.view().outcome == "printed"
    visits = run.visits()
    assert [visit.path for visit in visits] == ["write#1", "check#1", "write#2", "check#2", "publish#1"]
    assert [visit.next for visit in visits] == ["check", "write", "check", "publish", ""]
    assert [visit.turn for visit in visits] == [1, 2, 3, 4, 5]
    assert all(visit.opened_at <= visit.closed_at for visit in visits)
    assert {visit.status for visit in visits} == {"success"}


@pytest.mark.feature("E4")
def test_a_status_and_a_bound_lead_to_failures_that_say_why(client: Client, writing: Any) -> None:
    hopeless = client.submit(writing.article, topic="nothing", photos=[])
    with pytest.raises(RunFailedError, match="nobody can write this"):
        hopeless.result(timeout=30)
    assert [(visit.path, visit.status) for visit in hopeless.visits()][-1] == ("check#1", "hopeless")
    again = client.submit(writing.article, topic="a", photos=[])
    with pytest.raises(
        RunFailedError, match=r"'check' ended with the status 'success'.*write may not be visited again"
    ):
        again.result(timeout=30)
    assert len(again.visits("write")) == 4


def test_what_states_gave_is_found_later_typed_by_name_and_by_http(mill: Mill, run: Run[Any], writing: Any) -> None:
    assert run.state(writing.check) == writing.Verdict(0.8, "!!!!")
    assert run.state(writing.check, visit=1) == writing.Verdict(0.4, "!!")
    assert run.state(writing.pages) == "sea!!.pdf"
    assert run.state(writing.publish) == ["sea!!.pdf", "sea!!.html"]
    assert run.state("write") == {"topic": "sea!!", "pages": 4}
    found = fetch(mill, f"/runs/{run.id}/visits?state=check&limit=1")
    assert [(each["path"], each["next"]) for each in found["visits"]] == [("check#1", "write")]
    found = fetch(mill, f"/runs/{run.id}/visits?state=check&after={found['next']}")
    assert [(each["path"], each["next"]) for each in found["visits"]] == [("check#2", "publish")]
    assert fetch(mill, f"/runs/{run.id}/visits?machine=nowhere")["type"] == "unknown_step"
    for wrong in ("chek", "check#9", "check#0", "check#x"):
        with pytest.raises(TidemillError):
            run.state(wrong)


async def test_an_async_client_has_the_same(mill: Mill, run: Run[Any], writing: Any) -> None:
    async with AsyncClient(mill.url) as client:
        found = client.run(run.id, writing.article)
        assert await found.result() == ["sea!!.pdf", "sea!!.html"]
        assert await found.state(writing.write) == writing.Draft("sea!!", 4)
        assert len(await found.visits()) == 5


@pytest.mark.feature("E6")
def test_a_condition_is_a_task_and_what_it_skips_does_not_run(client: Client, run: Run[Any], writing: Any) -> None:
    assert "publish#1/html/run/html" in {step.path for step in run.steps()}
    long = client.submit(writing.article, topic="sea", photos=["a", "b", "c", "d", "e"])
    assert long.result(timeout=30) == ["sea!!!!!.pdf"]
    assert not any("/run/" in step.path for step in long.steps())


def test_the_command_line_runs_a_machine_and_shows_its_visits(mill: Mill, run: Run[Any], tmp_path: Path) -> None:
    said = tidemill("run", "writing:article", "--help")
    assert "Write until the check is content" in said
    assert "--topic" in said
    given = ("--topic", "sea", "--photos", '["a", "b"]', "--out", str(tmp_path))
    said = tidemill("run", "writing:article", *given, "--url", mill.url)
    assert "sea!!.html" in said
    lines = tidemill("runs", "show", run.id, "--url", mill.url).splitlines()
    states = [line.split()[1:3] + line.split()[-2:] for line in lines if "#" in line.split()[1]]
    assert [each[0] for each in states] == ["write#1", "check#1", "write#2", "check#2", "publish#1"]
    assert states[1][1:] == ["success", "→", "write"]
    shown = json.loads(tidemill("runs", "show", run.id, "--json", "--url", mill.url))
    assert [visit["next"] for visit in shown["visits"][:4]] == ["check", "write", "check", "publish"]
