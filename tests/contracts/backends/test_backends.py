"""What every back-end does."""

import asyncio
import math
from typing import Any

import pytest

from tests.contracts.backends.conftest import Place
from tidemill.core.bodies import Completed
from tidemill.core.run import Code
from tidemill.wire.worker import UNACKNOWLEDGED_ITEMS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("task", ["double", "double_later"])
async def test_a_body_gives_its_result(place: Place, task: str) -> None:
    assert await place.begin(task, x=4).result() == 8


async def test_a_body_knows_its_attempt(place: Place) -> None:
    assert await place.begin("who").result() == ["run-1", "step", "3", "zoo.who", "w1", "None"]


async def test_a_failure_keeps_its_code_and_its_words(place: Place) -> None:
    failure = await place.begin("refuse", x=9).failure()
    assert (failure.code, failure.message, failure.type) == (Code.PERMANENT, "9 is too much", "PermanentError")


async def test_an_input_that_does_not_fit_is_refused(place: Place) -> None:
    failure = await place.begin("double", x="four").failure()
    assert failure.code is Code.INVALID_INPUT
    assert failure.violations[0][0] == "$.x"


async def test_what_a_body_says_is_heard_before_its_end(place: Place) -> None:
    with place.captured():
        work = place.begin("speak")
        await work.ended()
    assert work.said == [(0.5, "half", "way")]
    assert work.beats == ["alive"]
    assert [each.type for each in work.emissions] == ["page_done"]
    assert work.measured == [("pages", 1.5, "s")]
    assert work.peak_kib > 0
    assert ("WARNING", "zoo", "logged") in work.lines
    assert ("STDOUT", "", "printed") in work.lines
    assert ("STDERR", "", "no end") in work.lines


async def test_files_are_kept_in_a_private_folder(place: Place) -> None:
    work = place.begin("keep", text="kept")
    assert await work.result() == "kept"
    assert work.is_folder_used
    assert {name: file.size for name, file in work.saved.items()} == {"a.txt": 4, "b.txt": 4}
    assert (place.folder / "attempts" / work.folder_name / "files" / "note.txt").read_text() == "kept"


@pytest.mark.parametrize("task", ["count", "count_later"])
async def test_a_stream_waits_when_it_is_too_far_ahead(place: Place, task: str) -> None:
    upto = 2 * UNACKNOWLEDGED_ITEMS + 10
    work = place.begin(task, upto=upto)
    await work.until(lambda: len(work.items) == UNACKNOWLEDGED_ITEMS)
    for _ in range(3):  # it has had its chances to go on
        assert await place.begin("double_later" if place.name == "inline" else "count", **_one(place)).ended()
    assert len(work.items) == UNACKNOWLEDGED_ITEMS
    assert work.endings == []
    while not work.endings:
        work.durable = len(work.items)
        place.backend.make_room(work)
        await work.until(lambda: bool(work.endings) or len(work.items) > work.durable)
    assert await work.ended() == Completed({}, items=upto)
    assert len(work.items) == upto


def _one(place: Place) -> dict[str, Any]:
    return {"x": 1} if place.name == "inline" else {"upto": 1}


@pytest.mark.parametrize("task", ["wait", "wait_later"])
async def test_a_body_is_asked_to_stop(place: Place, task: str) -> None:
    work = place.begin(task)
    await work.begun()
    place.stop(work)
    if task == "wait":
        assert await work.result() == "seen"
    else:
        assert (await work.failure()).code is Code.CANCELLED


async def test_a_stream_that_waits_can_be_stopped(place: Place) -> None:
    work = place.begin("count", upto=10_000)
    await work.until(lambda: len(work.items) == UNACKNOWLEDGED_ITEMS)
    place.stop(work)
    assert (await work.failure()).code is Code.CANCELLED


@pytest.mark.parametrize("task", ["double", "double_later"])
async def test_one_that_was_stopped_before_it_began_does_not_run_or_ends_as_it_would(place: Place, task: str) -> None:
    work = place.begin(task, x=1)
    place.stop(work)
    ending = await work.ended()
    assert isinstance(ending, Completed) or ending.code is Code.CANCELLED  # type: ignore[union-attr]
    assert await place.is_well()


async def test_many_at_once(place: Place) -> None:
    works = [place.begin("double", x=number) for number in range(5)]
    assert await asyncio.gather(*[work.result() for work in works]) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ("recurse", Code.INTERNAL),
        ("cycle", Code.INTERNAL),
        ("raise_unspeakable", Code.INTERNAL),
        ("raise_half_a_character", Code.INTERNAL),
        ("claim_a_loss", Code.INTERNAL),
    ],
)
async def test_what_cannot_be_sent_or_said_is_a_failure_like_any_other(place: Place, task: str, code: Code) -> None:
    failure = await place.begin(task).failure()
    assert failure.code is code
    assert failure.message
    failure.message.encode()
    assert await place.is_well()


async def test_bytes_and_nan_are_results(place: Place) -> None:
    assert await place.begin("some_bytes").result() == b"\x00\xff"
    if place.name == "program":
        return  # JSON has no form for it
    nan = await place.begin("not_a_number").result()
    assert math.isnan(nan)


async def test_a_large_result_is_handed_over(place: Place) -> None:
    assert len(await place.begin("heavy", mib=100).result()) == 100 * 1024 * 1024


async def test_memory_that_runs_out_is_a_failure_by_its_own_name(apart: Place) -> None:
    assert (await apart.begin("eat", limit_mib=2048).failure()).code is Code.RESOURCE
    assert await apart.is_well()


# What one of them cannot do -------------------------------------------------------------------------


async def test_only_bodies_apart_can_be_killed(place: Place) -> None:
    assert place.backend.can_kill is (place.name != "inline")
    if not place.backend.can_kill:
        with pytest.raises(TypeError, match="cannot be killed"):
            place.backend.kill(place.begin("double", x=1))
        return
    work = place.begin("ignore")
    await work.begun()
    place.stop(work)
    place.backend.kill(work)
    assert (await work.crash()).how == "SIGKILL"
    assert await place.is_well()
