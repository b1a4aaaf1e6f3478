"""Events, metrics and logs of a run on the command line."""

import json

from tests.cli.processes import Mill

PRESS = """
import logging
import subprocess
from tidemill import Context, Worker

press = Worker("press")


@press.task
async def one(ctx: Context, x: int) -> int:
    ctx.emit("page_done", {"page": x}, "a page")
    ctx.emit("resting")
    ctx.metric("grams", 2.5, "g")
    print("quiet")
    logging.getLogger("press").warning("HOT")
    process = await __import__("asyncio").create_subprocess_exec("echo", "of a program")
    await process.wait()
    return x
"""


def test_what_a_task_told_of_is_read_back(mill: Mill) -> None:
    (mill.folder / "press.py").write_text(PRESS)
    with mill.server() as (_, url):
        document = mill.tidemill("run", "press.py", "--x", "3", "--json", "--url", url).json
        run = (document["id"], "--url", url)
        events = [json.loads(line) for line in mill.tidemill("runs", "events", *run, "--json").out.splitlines()]
        assert [(event["number"], event["type"], event.get("payload")) for event in events] == [
            (1, "page_done", {"page": 3}),
            (2, "resting", None),
        ]
        said = mill.tidemill("runs", "events", *run, "--type", "page_done", "--follow").out
        assert said.rstrip().endswith('one page_done  a page  {"page":3}')
        assert mill.tidemill("runs", "events", *run, "--after", "2").out == ""
        shown = mill.tidemill("runs", "show", *run, "--metrics").out
        assert "peak memory" in shown
        assert "grams" in next(line for line in shown.splitlines() if line.startswith("one#1") and "2.5" in line)
        (attempt,) = mill.tidemill("runs", "show", *run, "--metrics", "--json").json["attempts"]
        assert attempt["metrics"][0]["last"] == 2.5
        logs = ("runs", "logs", *run)
        assert "HOT" in mill.tidemill(*logs, "--search", "hot").out
        assert "quiet" not in mill.tidemill(*logs, "--level", "warning").out
        assert "of a program" in mill.tidemill(*logs, "--level", "STDOUT", "--follow").out
