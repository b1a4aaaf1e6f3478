"""`tidemill codes`, its page, and that it tells the truth."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.server.http import Http, speaking
from tests.server.mill import Mill, mill
from tests.server.test_runs import RUNS
from tidemill import InvalidInputError, PermanentError, ResourceError, TransientError, Worker
from tidemill.cli.codes import codes, page
from tidemill.cli.ending import Ending
from tidemill.core.codes import MEANINGS, Again
from tidemill.core.retry import tries_of
from tidemill.core.run import STATUSES, Code
from tidemill.core.statuses import STEP_STATUSES
from tidemill.wire.api import RunView

ROOT = Path(__file__).parents[2]
faulty = Worker("faulty")
ERRORS = {
    Code.INVALID_INPUT: InvalidInputError,
    Code.PERMANENT: PermanentError,
    Code.TRANSIENT: TransientError,
    Code.RESOURCE: ResourceError,
    Code.INTERNAL: LookupError,
}


@faulty.task(retries=0)
def fails(code: str) -> None:
    raise ERRORS[Code(code)]("as it was told to")


@faulty.task
async def sleeps() -> None:
    import asyncio

    await asyncio.sleep(60)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Mill]:
    async with mill(tmp_path) as running, running.worker(faulty):
        yield running


@pytest.fixture
async def http(served: Mill) -> AsyncIterator[Http]:
    async with speaking(served.url) as made:
        yield made


@pytest.mark.feature("F11")
async def test_each_code_has_the_http_status_and_the_exit_code_of_the_table(http: Http) -> None:
    for code in ERRORS:
        run = (await http.post(RUNS, {"task": "faulty.fails", "input": {"code": code.value}})).json["id"]
        answer = await http.get(f"{RUNS}/{run}/result?wait=20")
        assert (answer.status, answer.json["failure"]["code"]) == (MEANINGS[code].status, code.value)
        view = await viewed(http, run)
        assert Ending(view, None, {}, {}, Path()).code == MEANINGS[code].exit
    run = (await http.post(RUNS, {"task": "faulty.sleeps", "input": {}})).json["id"]
    await http.post(f"{RUNS}/{run}/cancel", {})
    answer = await http.get(f"{RUNS}/{run}/result?wait=20")
    assert answer.status == MEANINGS[Code.CANCELLED].status
    assert Ending(await viewed(http, run), None, {}, {}, Path()).code == MEANINGS[Code.CANCELLED].exit


async def viewed(http: Http, run: str) -> RunView:
    import msgspec

    return msgspec.json.decode((await http.get(f"{RUNS}/{run}")).body, type=RunView)


def test_the_table_decides_what_is_tried_again() -> None:
    assert set(MEANINGS) == set(Code)
    for code, meaning in MEANINGS.items():
        is_tried = meaning.again is Again.POLICY
        assert tries_of(code, 6) == (7 if is_tried else 1)
        assert tries_of(code, None) == (meaning.tries if is_tried else 1)


def test_the_page_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(codes, ["--reference"])
    assert printed.output == page()
    told = "run tidemill codes --reference > docs/codes.md"
    assert (ROOT / "docs/codes.md").read_text("utf-8") == page(), told


@pytest.mark.feature("F5")
async def test_each_status_has_one_word_in_each_set_and_filters_take_it(http: Http) -> None:
    found = json.loads(CliRunner().invoke(codes, ["--json"]).output)
    assert list(found["runs"]) == list(STATUSES)
    assert list(found["steps"]) == list(STEP_STATUSES)
    run = (await http.post(RUNS, {"task": "faulty.fails", "input": {"code": "permanent"}})).json["id"]
    await http.get(f"{RUNS}/{run}/result?wait=20")
    for ours, path in (("runs", RUNS), ("steps", f"{RUNS}/{run}/steps")):
        for status, words in found[ours].items():
            for word in {status, *words.values()}:
                page_of = await http.get(f"{path}?status={word.replace('_', '%20')}")
                assert page_of.status == 200, page_of
                assert len(page_of.json[ours]) == (status == "failed"), (status, word)
    assert (await http.get(f"{RUNS}?status=queued")).problem == "bad_request"
