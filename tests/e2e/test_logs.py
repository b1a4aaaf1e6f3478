"""What tasks log, print, and let programs print: with the attempt, live, found again, within limits."""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from tests.server.http import speaking
from tests.server.mill import mill
from tidemill import Context, Worker
from tidemill.adapters.system.program_output import captured_programs, hearing_loop
from tidemill.testing.local import local

loud = Worker("loud")
SAYS = [sys.executable, "-c", "import sys; print('out of it'); print('err of it', file=sys.stderr)"]


@loud.task
def starts() -> str:
    print("before")
    subprocess.run(SAYS, check=True)
    print("after")
    logging.getLogger("loud").warning("Careful, HOT")
    logging.getLogger("loud").error("worse")
    return subprocess.run(SAYS, check=True, capture_output=True, text=True).stdout


@loud.task
async def starts_async() -> bytes:
    process = await asyncio.create_subprocess_exec(*SAYS)
    await process.wait()
    shell = await asyncio.create_subprocess_shell("echo in a shell >&2")
    await shell.wait()
    taken = await asyncio.create_subprocess_exec(*SAYS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return (await taken.communicate())[0]


@loud.task
def talks_much(lines: int) -> None:
    for number in range(lines):
        print(f"line {number} {'x' * 200}")


@loud.task
def joins(ctx: Context) -> None:
    process = subprocess.Popen(["sh", "-c", "echo one; echo two >&2; printf three"], stderr=subprocess.STDOUT)
    process.wait()
    with pytest.raises(FileNotFoundError):
        subprocess.run(["no-such-program-anywhere"], check=False)


@pytest.mark.feature("C3")
async def test_output_of_programs_is_in_the_log_of_the_attempt_in_order() -> None:
    async with local(loud) as client:
        run = await client.submit(starts)
        assert await run.result() == "out of it\n"
        lines = [(line.level, line.text) for line in await run.logs()]
        assert ("STDERR", "err of it") in lines
        lines.remove(("STDERR", "err of it"))
        assert lines == [
            ("STDOUT", "before"),
            ("STDOUT", "out of it"),
            ("STDOUT", "after"),
            ("WARNING", "Careful, HOT"),
            ("ERROR", "worse"),
        ]
        run = await client.submit(joins)
        await run.result()
        assert [(line.level, line.text) for line in await run.logs()] == [
            ("STDOUT", "one"),
            ("STDOUT", "two"),
            ("STDOUT", "three"),
        ]
        run = await client.submit(starts_async)
        assert await run.result() == b"out of it\n"
        told = {(line.level, line.text) for line in await run.logs()}
        assert told == {("STDOUT", "out of it"), ("STDERR", "err of it"), ("STDERR", "in a shell")}


@pytest.mark.feature("C3")
async def test_lines_are_found_by_text_and_level(tmp_path: Path) -> None:
    async with mill(tmp_path) as served, served.worker(loud), speaking(served.url) as http:
        accepted = (await http.post("/api/v1/runs", {"task": "loud.starts"})).json
        logs = f"/api/v1/runs/{accepted['id']}/logs"
        followed = (await http.get(f"{logs}?follow=true&q=hot")).body.decode()
        assert "Careful, HOT" in followed
        assert "before" not in followed

        async def texts(query: str) -> list[str]:
            return [line["text"] for line in (await http.get(logs + query)).json["lines"]]

        assert await texts("?q=careful") == ["Careful, HOT"]
        assert await texts("?level=warning") == ["Careful, HOT", "worse"]
        assert await texts("?level=STDERR") == ["err of it"]
        assert await texts("?q=it&level=INFO&path=starts&limit=1") == (await texts("?q=it"))[:1]
        assert await texts("?q=nowhere") == []
        assert (await http.get(f"{logs}?level=loudly")).problem == "bad_request"


async def test_an_attempt_that_talks_much_keeps_head_and_tail_and_a_count() -> None:
    async with local(loud) as client:
        run = await client.submit(talks_much, 20_000)
        await run.result()
        lines = await run.logs()
        texts = [line.text for line in lines]
        assert texts[0].startswith("line 0 ")
        assert texts[-1].startswith("line 19999 ")
        assert sum(len(text) for text in texts) < 1.5 * 1024 * 1024
        assert any("were dropped" in text for text in texts)
        assert [line.text[:9] for line in await run.logs(search="LINE 19999")] == ["line 1999"]


class Taker:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def log(self, level: str, logger: str, text: str) -> None:
        self.lines.append((level, text))


def test_loops_that_start_programs_themselves_hear_them_too() -> None:
    taker = Taker()

    async def work() -> bytes:
        for start in (
            asyncio.create_subprocess_exec("sh", "-c", "echo quiet; echo loud >&2"),
            asyncio.create_subprocess_shell("printf 'no end'"),
        ):
            assert await (await start).wait() == 0
        taken = await asyncio.create_subprocess_exec("echo", "mine", stdout=subprocess.PIPE)
        return (await taken.communicate())[0]

    with asyncio.Runner(loop_factory=hearing_loop(uvloop.Loop, lambda: taker)) as runner:
        assert runner.run(work()) == b"mine\n"

        async def heard() -> None:
            while len(taker.lines) < 3:  # noqa: ASYNC110 - a thread reads, and tells nobody
                await asyncio.sleep(0.005)

        runner.run(asyncio.wait_for(heard(), 10))
    assert sorted(taker.lines) == [("STDERR", "loud"), ("STDOUT", "no end"), ("STDOUT", "quiet")]


def test_nothing_is_taken_from_programs_that_no_task_started() -> None:
    before = subprocess.Popen.__init__, subprocess.Popen.wait
    with captured_programs(lambda: None):
        assert subprocess.run(["true"], check=True).returncode == 0
        reading, writing = os.pipe()
        subprocess.Popen(["echo", "x"], -1, None, None, writing).wait()
        os.close(writing)
        assert os.read(reading, 10) == b"x\n"
        os.close(reading)
    assert (subprocess.Popen.__init__, subprocess.Popen.wait) == before
