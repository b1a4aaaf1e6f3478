"""The outline of a run is in the order of its graph, whatever the steps are called."""

import re

from tests.cli.processes import Mill
from tidemill import Worker, branch, map_over, workflow
from tidemill.cli.outline import _skipped_to, places_in, state_of
from tidemill.wire.api import StepView

YARD = """
from tidemill import Worker, collect, map_over, workflow

yard = Worker("yard")


@yard.task
def zeal(x: int) -> int:
    if x == 2:
        raise ValueError("two")
    return x


@yard.task
def add(xs: list[object]) -> int:
    return len(xs)


@yard.task
def both(x: int, y: int) -> int:
    return x + y


@workflow
def build(xs: list[int]) -> int:
    return both(add(map_over(zeal, xs, on_failure=collect)), 1)
"""

yard = Worker("yard")


@yard.task
def cut(x: int) -> int:
    return x


@yard.task
def add(x: int, y: int) -> int:
    return x + y


@yard.task
def total(xs: list[int]) -> int:
    return sum(xs)


@workflow
def inner(x: int) -> int:
    return add(cut(x), 1)


@workflow
def outer(xs: list[int]) -> int:
    found = inner(total(map_over(lambda x: add(cut(x), 1), xs, name="zigzag")))
    return branch(found > 1, then=lambda: add.options(name="b")(cut(found), 1), otherwise=lambda: found)


def test_a_step_comes_after_what_it_waits_for_and_before_what_is_inside_it() -> None:
    places = places_in(outer.compiled.workflow)
    assert sorted(places, key=lambda path: places[path]) == [
        "zigzag",
        "total",
        "inner",
        "inner/cut",
        "inner/add",
        "branch",
        "branch/then/cut",
        "branch/then/b",
    ]


def test_the_page_of_a_run_and_what_is_shown_of_it_are_in_that_order(mill: Mill) -> None:
    (mill.folder / "yard.py").write_text(YARD)
    with mill.server() as (_, url), mill.process("worker", "yard.py", "--url", url) as worker:
        worker.wait_for("connected")
        said = mill.tidemill("run", "yard.py", "--xs", "[1, 2, 3]", "--url", url)
        assert said.code == 0, said.err
        page = (mill.folder / "tidemill-out" / "build" / "run.html").read_text()
        assert re.findall(r"<tr><td[^>]*><code>(\w+)</code>", page) == ["zeal", "add", "both"]
        run = said.out.split()[1]
        shown = mill.tidemill("runs", "show", run, "--url", url).out
        assert re.findall(r"^✓ (\w+)", shown, re.MULTILINE) == ["zeal", "add", "both"]


def test_of_a_loop_the_latest_round_is_shown_and_of_a_map_none() -> None:
    refine = StepView("refine", "running", "loop", elements={"rounds": 11})
    pages = StepView("pages", "running", "map", elements={"length": 3, "open": 3})
    around = [refine, pages]
    assert _skipped_to("refine[0]/grow", around) == "refine[10]/"
    assert _skipped_to("refine[10]/grow", around) == ""
    assert _skipped_to("refine[2]/grow", around) == "refine[\U0010ffff"
    assert _skipped_to("pages[0]/grow", around) == "pages[\U0010ffff"
    assert _skipped_to("last", around) == ""
    assert state_of(refine) == "round 11"
