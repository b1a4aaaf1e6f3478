"""Streams on the command line: items are printed as they come, and what is superseded is told."""

import json

import pytest

from tests.cli.processes import Mill

TALES = """
from collections.abc import Generator, Iterator
from tidemill import Context, TransientError, Worker

tales = Worker("tales")


@tales.stream
def tell(upto: int) -> Generator[str, None, int]:
    for n in range(upto):
        yield f"word {n}"
    return upto


@tales.stream(retries=1)
def again(ctx: Context, upto: int) -> Iterator[int]:
    yield from range(upto)
    if ctx.attempt == 1:
        raise TransientError("not now")


@tales.task
def lone(x: int) -> int:
    return x
"""


@pytest.mark.feature("A7")
@pytest.mark.feature("A6")
def test_items_are_printed_as_they_come_and_read_again_later(mill: Mill) -> None:
    (mill.folder / "tales.py").write_text(TALES)
    with mill.server() as (_, url):
        said = mill.tidemill("run", "tales.py", "--workflow", "tell", "--upto", "3", "--stream", "--url", url)
        assert said.code == 0, said.err
        lines = said.out.splitlines()
        assert [line for line in lines if line.startswith("word")] == ["word 0", "word 1", "word 2"]
        assert "3" in lines, "the final value"
        said = mill.tidemill(
            "run", "tales.py", "--workflow", "again", "--upto", "3", "--stream", "--json", "--url", url
        )
        *items, document = map(json.loads, said.out.splitlines())
        assert items[-3:] == [{"epoch": 2, "index": index, "item": index} for index in range(3)]
        assert document["value"] == [0, 1, 2]
        stream = ("runs", "stream", document["id"], "--url", url)
        assert mill.tidemill(*stream).out.splitlines() == ["0", "1", "2"]
        assert mill.tidemill(*stream, "--from", "2").out.splitlines() == ["2"]
        old = mill.tidemill(*stream, "--attempt", "1", "--json").out.splitlines()
        assert [json.loads(line)["epoch"] for line in old] == [1, 1, 1]
        assert mill.tidemill("runs", "stream", document["id"], "--step", "other", "--url", url).out == ""


def test_a_task_without_a_stream_is_refused_before_it_starts(mill: Mill) -> None:
    (mill.folder / "tales.py").write_text(TALES)
    said = mill.tidemill("run", "tales.py", "--workflow", "lone", "--x", "3", "--stream")
    assert (said.code, "gives no stream" in said.err) == (2, True)
