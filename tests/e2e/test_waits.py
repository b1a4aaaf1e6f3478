"""Waits in whole workflows: in maps, loops and states; with files and large payloads; paused, cancelled, forked."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from tidemill.client.blocking import Client, Run
from tidemill.client.errors import AlreadySubmittedError, RefusedError, WrongStatusError
from tidemill.sdk.approvals import Approval
from tidemill.sdk.context import Context
from tidemill.sdk.errors import InvalidInputError, PermanentError, RunCancelledError, RunFailedError
from tidemill.sdk.file import File
from tidemill.sdk.machine import StateMachine
from tidemill.sdk.options import FOREVER
from tidemill.sdk.waiting import approval, sleep_for, sleep_until, wait_event, wait_signal
from tidemill.sdk.words import loop, map_over
from tidemill.sdk.worker import Worker
from tidemill.sdk.workflow import workflow
from tidemill.testing.local import local

HOUR, MOMENT = timedelta(hours=1), timedelta(milliseconds=30)
YesNo = Approval[Literal["yes", "no"]]
desk = Worker("desk")


@dataclass(frozen=True)
class Page:
    number: int
    score: float = 0.0


@desk.task
def read(file: File) -> str:
    return file.path.read_text()


@desk.task
def length(text: str) -> int:
    return len(text)


@desk.task(emits={"page_done": Page})
def press(ctx: Context, pages: int) -> int:
    for number in range(pages):
        ctx.emit("page_done", Page(number, number / 10))
    return pages


@desk.task
def note(page: Page) -> str:
    return f"page {page.number}"


@desk.task
def add(total: int, more: int) -> int:
    return total + more


@workflow
def scanning(name: str) -> str:
    return read(wait_signal("scan", File, within=HOUR))


@workflow
def measuring(name: str) -> int:
    return length(wait_signal("text", str, within=HOUR))


@workflow
def gathering(names: list[str]) -> list[int]:
    return map_over(lambda name: length(wait_signal("word", str, within=HOUR, key=name)), names)


@workflow
def counting(start: int) -> int:
    return loop(lambda total: add(total, wait_signal("more", int, within=HOUR)), start, until=lambda t: t > 10, limit=9)


@workflow
def waking(at: datetime) -> str:
    return sleep_until(at, then=lambda: sleep_for(timedelta(milliseconds=1), then=lambda: "awake"))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local(desk) as made:
        yield made


def waiting(run: Run[Any], count: int = 1) -> list[str]:
    """The paths of open waits, when there are so many."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        found = [wait.step for wait in run.waits() if wait.closed is None]
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{run} does not wait: {run.steps()}")


def test_a_payload_may_be_a_file(client: Client, tmp_path: Path) -> None:
    (tmp_path / "scan.txt").write_text("high water")
    run = client.submit(scanning, "x")
    run.signal("scan", File(tmp_path / "scan.txt"))
    assert run.result(30) == "high water"


def test_a_payload_may_be_large(client: Client) -> None:
    run = client.submit(measuring, "x")
    run.signal("text", "x" * 300_000)
    assert run.result(30) == 300_000


def test_a_payload_of_another_type_is_refused_with_its_place(client: Client) -> None:
    run = client.submit(measuring, "x")
    with pytest.raises(InvalidInputError) as refused:
        run.signal("text", 3)
    assert refused.value.violations[0][0] == "$.payload"
    with pytest.raises(RefusedError, match="waits for 'text', not for 'txet'"):
        run.signal("txet", "x")
    run.cancel()


@pytest.mark.feature("E9")
def test_each_element_of_a_map_waits_for_itself(client: Client) -> None:
    client.signal("word", "early", key="b")
    run = client.submit(gathering, ["a", "b", "c"])
    for key, word in (("c", "three"), ("a", "x")):
        client.signal("word", word, key=key)
    assert run.result(30) == [1, 5, 5]


def test_each_round_of_a_loop_takes_the_next_signal(client: Client) -> None:
    run = client.submit(counting, 0)
    for number in range(4):
        run.signal("more", 3, id=str(number))
        run.signal("more", 3, id=str(number))
    assert run.result(30) == 12


@pytest.mark.feature("E9")
def test_an_instant_may_be_a_value_of_the_run(client: Client) -> None:
    assert client.submit(waking, datetime(2001, 1, 1, tzinfo=UTC)).result(30) == "awake"
    soon = client.submit(waking, datetime.now(UTC) + timedelta(milliseconds=100))
    assert soon.result(30) == "awake"
    later = client.submit(waking, datetime.now(UTC) + timedelta(days=900))
    (wait,) = [later.waits()[0] for _ in waiting(later)]
    assert (wait.kind, wait.until_at[:4] > "2026") == ("time", True)
    later.cancel()
    with pytest.raises(RunCancelledError):
        later.result(30)
    assert [each.closed.how for each in later.waits() if each.closed] == ["stopped"]


# Events --------------------------------------------------------------------------------------------


@workflow
def printing(pages: int) -> list[str]:
    first = note(wait_event("page_done", Page, within=HOUR))
    return [
        first,
        note.options(name="last")(wait_event("page_done", Page, within=HOUR, after=press(pages), name="late")),
    ]


watching = StateMachine("watching")


@watching.state
def look(pages: int) -> Page:
    return wait_event("page_done", Page, within=HOUR, after=press(pages))


look.when(look.output.score > 0.3, to=watching.end("success", status="good", output=look.output))
look.otherwise(to=watching.end("failure", status="poor"))


def test_a_wait_and_a_transition_react_to_an_event(client: Client) -> None:
    first, last = client.submit(printing, 5).result(30)
    assert first.startswith("page ")
    assert last == "page 4"
    run = client.submit(watching, pages=5)
    assert run.result(30) == Page(4, 0.4)
    with pytest.raises(RunFailedError, match="poor"):
        client.submit(watching, pages=2).result(30)


# People --------------------------------------------------------------------------------------------

review = StateMachine("review")


@review.state
def write(topic: str, answer: YesNo | None = review.previous("ask", YesNo)) -> str:  # noqa: B008
    return topic


@review.state
def ask(text: str = write.output) -> YesNo:
    return approval("Good?", choices=("yes", "no"), shows=text, within=HOUR)


ask.when(ask.output.choice == "yes", to=review.end("success", output=ask.output))
ask.otherwise(to=write, max_visits=3)
write.otherwise(to=ask)

hurried = StateMachine("hurried")


@hurried.state
def ask_soon(topic: str) -> YesNo:
    return approval("Good?", choices=("yes", "no"), shows=topic, within=MOMENT)


ask_soon.when(ask_soon.output.choice == "yes", to=hurried.end("success", output=ask_soon.output.comment))
ask_soon.on("timeout", to=hurried.end("success", output="nobody came"))
ask_soon.otherwise(to=hurried.end("failure"))


@pytest.mark.feature("E8")
def test_a_question_is_asked_again_in_the_next_visit(client: Client) -> None:
    run = client.submit(review, topic="tides")
    assert waiting(run) == ["ask#1/approval"]
    run.approve("no", comment="too short", who="Ann")
    assert waiting(run) == ["ask#2/approval"]
    with pytest.raises(WrongStatusError, match="Ann chose 'no' at"):
        run.approve("yes", step="ask#1/approval", who="Bob")
    run.approve("yes", step="ask#2/approval", who="Bob")
    answer = run.result(30)
    assert (answer.choice, answer.who) == ("yes", "Bob")


@pytest.mark.feature("E8")
def test_a_question_that_nobody_answers_has_a_way_of_its_own(client: Client) -> None:
    run = client.submit(hurried, topic="tides")
    assert run.result(30) == "nobody came"
    with pytest.raises(WrongStatusError, match="nobody answered in time"):
        run.approve("yes", step="ask_soon#1/approval")


def test_a_run_that_is_paused_takes_signals_and_starts_nothing(client: Client) -> None:
    run = client.submit(measuring, "x")
    waiting(run)
    run.pause()
    assert run.signal("text", "abc").taken
    assert run.status() == "paused"
    assert [step.status for step in run.steps() if step.path == "length"] == ["ready"]
    run.resume()
    assert run.result(30) == 3


def test_the_same_id_with_another_payload_is_a_conflict(client: Client) -> None:
    client.signal("odd", 1, key="k", id="one")
    assert client.signal("odd", 1, key="k", id="one").taken is False
    with pytest.raises(AlreadySubmittedError, match="another payload"):
        client.signal("odd", 2, key="k", id="one")


@workflow
def silent(name: str) -> str:
    return wait_signal("never", str, within=MOMENT)


@pytest.mark.feature("E17")
def test_a_wait_in_vain_fails_its_run_with_its_code(client: Client) -> None:
    with pytest.raises(RunFailedError, match="no signal 'never' came within") as failed:
        client.submit(silent, "x").result(30)
    assert failed.value.failure.code.value == "timeout"


@workflow
def patient(name: str) -> str:
    return wait_signal("ever", str, within=FOREVER)


def test_what_waits_is_listed_for_all_runs(client: Client) -> None:
    run = client.submit(patient, "x")
    waiting(run)
    listed = client.waits(kinds=("signal",), workflow="patient").waits
    assert [(each.run, each.name, each.until_at) for each in listed] == [(run.id, "ever", "")]
    run.signal("ever", "now")
    assert run.result(30) == "now"
    assert client.waits(workflow="patient").waits == ()


broken = {"is": True}


@desk.task(retries=0)
def fragile(answer: YesNo) -> str:
    if broken["is"]:
        raise PermanentError("not today")
    return answer.who


@workflow
def agreed(name: str) -> str:
    return fragile(approval("Sure?", choices=("yes", "no"), within=HOUR))


def test_a_retry_asks_nobody_again(client: Client) -> None:
    run = client.submit(agreed, "x")
    waiting(run)
    run.approve("yes", who="Ann")
    with pytest.raises(RunFailedError, match="not today"):
        run.result(30)
    broken["is"] = False
    assert run.retry().result(30) == "Ann"
