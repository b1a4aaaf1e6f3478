"""The whole of Tidemill in one process: what users test their own tasks and workflows with."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from tidemill import (
    Context,
    Failure,
    File,
    InvalidInputError,
    PermanentError,
    TaskFiles,
    TransientError,
    Worker,
    branch,
    collect,
    injected,
    map_over,
    workflow,
)
from tidemill.client.blocking import Client
from tidemill.client.errors import UnknownTaskError
from tidemill.sdk.errors import RunCancelledError, RunFailedError
from tidemill.testing.local import local

mill = Worker("mill")


@dataclass(frozen=True)
class Sack:
    label: str
    weight: int


@mill.task
async def double(x: int) -> int:
    return 2 * x


@mill.task
def total(xs: list[int]) -> int:
    return sum(xs)


@mill.task
def fill(label: str, weight: int = 10) -> Sack:
    logging.getLogger("mill").warning("filling %s", label)
    print("dust")
    return Sack(label, weight)


@mill.task
def label_of(sack: Sack) -> str:
    return sack.label.upper()


@mill.task
def odd_only(x: int) -> int:
    if x % 2 == 0:
        raise PermanentError(f"{x} is even")
    return x


@mill.task
def survivors(xs: list[int | Failure]) -> list[int]:
    return [x for x in xs if isinstance(x, int)]


@mill.stream
def count_to(n: int) -> Iterator[int]:
    yield from range(1, n + 1)


@mill.task
def shout(ctx: Context, file: File, *, files: TaskFiles = injected) -> File:
    return ctx.save_file("loud.txt", files.write("draft.txt", file.read().upper()))


@mill.task(retries=3)
def third_time(ctx: Context) -> int:
    if ctx.attempt < 3:
        raise TransientError("not yet")
    return ctx.attempt


begun = Event()


@mill.task
async def endless() -> None:
    begun.set()
    await asyncio.Event().wait()


@workflow
def grind(xs: list[int]) -> int:
    return total(map_over(double, xs, window=4))


@workflow
def choose(weight: int) -> str:
    sack = fill("rye", weight)
    return branch(sack.weight > 5, then=lambda: label_of(sack), otherwise=lambda: "too light")


@workflow
def twice(xs: list[int]) -> int:
    return double(grind(xs))


@workflow
def pick(xs: list[int]) -> list[int]:
    return survivors(map_over(odd_only, xs, on_failure=collect))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local(mill) as made:
        yield made


def test_a_task_runs(client: Client) -> None:
    assert client.submit(double, 21).result(10) == 42


def test_values_keep_their_types(client: Client) -> None:
    assert client.submit(fill, "rye").result(10) == Sack("rye", 10)


def test_a_map_feeds_a_task(client: Client) -> None:
    assert client.submit(grind, [1, 2, 3]).result(10) == 12
    assert client.submit(grind, []).result(10) == 0


@pytest.mark.parametrize(("weight", "found"), [(9, "RYE"), (1, "too light")])
def test_a_branch_takes_one_way(client: Client, weight: int, found: str) -> None:
    assert client.submit(choose, weight).result(10) == found


def test_a_workflow_calls_another(client: Client) -> None:
    assert client.submit(twice, [1, 2]).result(10) == 12


def test_failures_of_elements_can_be_collected(client: Client) -> None:
    assert client.submit(pick, [1, 2, 3]).result(10) == [1, 3]


def test_a_stream_gives_its_items(client: Client) -> None:
    run = client.submit(count_to, 5)
    assert list(run.stream()) == [1, 2, 3, 4, 5]
    assert run.result(10) == [1, 2, 3, 4, 5]


def test_files_go_in_and_come_out(client: Client, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.txt"
    quiet.write_text("hush")
    loud = client.submit(shout, File(quiet)).result(10)
    assert client.download(loud, tmp_path / "out.txt").read_text() == "HUSH"


def test_a_failure_says_what_and_where(client: Client) -> None:
    with pytest.raises(RunFailedError, match="4 is even") as caught:
        client.submit(odd_only, 4).result(10)
    assert caught.value.code.value == "permanent"


def test_a_transient_failure_is_tried_again(client: Client) -> None:
    assert client.submit(third_time).result(30) == 3


def test_a_run_can_be_cancelled(client: Client) -> None:
    run = client.submit(endless)
    assert begun.wait(10)
    run.cancel("enough")
    with pytest.raises(RunCancelledError, match="enough"):
        run.result(10)


def test_what_a_task_logs_and_prints_belongs_to_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    with local(mill) as client:
        run = client.submit(fill, "oats")
        run.result(10)
        assert [(line.level, line.text) for line in run.logs()] == [("WARNING", "filling oats"), ("STDOUT", "dust")]
    assert "dust" not in capsys.readouterr().out


def test_a_wrong_input_is_refused_with_its_place(client: Client) -> None:
    with pytest.raises(InvalidInputError) as caught:
        client.submit_named("mill.double", {"x": "many"})
    assert [path for path, _ in caught.value.violations] == ["$.x"]


def test_an_unknown_task_is_refused_with_the_nearest(client: Client) -> None:
    with pytest.raises(UnknownTaskError) as caught:
        client.submit_named("mill.dubble", {"x": 1})
    assert "mill.double" in caught.value.nearest


async def test_it_can_be_used_from_async_code() -> None:
    async with local(mill) as client:
        runs = [await client.submit(double, x) for x in range(20)]
        assert [await run.result(10) for run in runs] == [2 * x for x in range(20)]
