"""The kit passes workers that are right, and says of each that is wrong what is wrong with it."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import Mill
from tests.conformance.faults import FAULTS
from tests.conformance.foreign import Foreign
from tests.house.source import ROOT
from tidemill.conformance.desk import Desk
from tidemill.conformance.exam import Exam
from tidemill.conformance.plan import CHECKS, examine
from tidemill.conformance.verdict import Outcome, Verdict

OURS = """
import asyncio
from collections.abc import Iterator
from tidemill import Context, PermanentError, Worker

kit = Worker("kit")


@kit.task
def echo(ctx: Context, value: object) -> object:
    return value


@kit.task
def fail(message: str) -> str:
    raise PermanentError(message)


@kit.task
async def sleep(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@kit.stream
def count(upto: int) -> Iterator[int]:
    yield from range(upto)


@kit.task
def large(size: int) -> str:
    return "x" * size
"""


class Inside:
    """A worker as a task of this process."""

    is_seen = True

    def __init__(self, kind: type[Foreign]) -> None:
        self._kind = kind
        self._worker: Foreign
        self._running: asyncio.Task[int] | None = None

    async def start(self, url: str) -> None:
        await self.stop()
        self._worker = self._kind(url)
        self._running = asyncio.create_task(self._worker.run())

    async def ended(self, within_s: float) -> int | None:
        if self._running is None:
            return None
        await asyncio.wait([self._running], timeout=within_s)
        return self._running.result() if self._running.done() and not self._running.cancelled() else None

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    @property
    def output(self) -> str:
        return self._worker.output


async def examined(kind: type[Foreign], *only: str, within_s: float = 5.0) -> Sequence[Verdict]:
    desk = Desk(within_s)
    async with desk.open("127.0.0.1", 0):
        return await examine(Exam(desk, Inside(kind), within_s), lambda _: None, only)


async def test_a_worker_that_is_right_passes_each_check() -> None:
    verdicts = await examined(Foreign)
    assert [(each.id, each.reason, each.frames) for each in verdicts if each.outcome is not Outcome.PASSED] == []
    assert len(verdicts) > len(CHECKS)


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_a_planted_fault_is_caught_by_its_check(kind: type[Foreign]) -> None:
    check = FAULTS[kind]
    found = {each.id: each for each in await examined(kind, check, within_s=0.6)}[check]
    assert found.outcome is Outcome.FAILED
    assert found.reason
    assert found.frames
    assert not found.is_fine


async def test_attempts_may_be_stopped_in_any_order() -> None:
    class LastFirst(Foreign):
        async def on_cancel(self, ref: list[Any], *rest: Any) -> None:
            self.asked = [*getattr(self, "asked", []), ref]
            if len(self.asked) == len(self.live):
                for each in reversed(self.asked):
                    await super().on_cancel(each, *rest)
                    await asyncio.sleep(0.01)

    assert [each.reason for each in await examined(LastFirst, "credit.bound") if each.reason] == []


async def test_what_a_worker_does_not_offer_is_skipped_and_said() -> None:
    class Modest(Foreign):
        def tasks(self) -> list[Any]:
            return [task for task in super().tasks() if task["name"] in ("foreign.echo", "foreign.sleep")]

    verdicts = {each.id: each for each in await examined(Modest, "stream", "attempt.fails", "attempt.succeeds")}
    assert verdicts["attempt.succeeds"].outcome is Outcome.PASSED
    assert (verdicts["stream"].outcome, verdicts["stream"].is_fine) == (Outcome.SKIPPED, True)
    assert (verdicts["attempt.fails"].outcome, verdicts["attempt.fails"].is_fine) == (Outcome.SKIPPED, False)
    assert "fail(message)" in verdicts["attempt.fails"].reason


def test_our_own_worker_passes_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "kit.py").write_text(OURS)
    command = (sys.executable, "-P", "-m", "tidemill", "worker", "kit.py")
    said = Mill(tmp_path).tidemill("conformance", "--json", "--", *command, TIDEMILL_RECONNECT_S="0.3")
    assert [(each["id"], each["reason"]) for each in said.json if each["outcome"] != "passed"] == []
    assert said.code == 0, said.err


def test_a_worker_that_is_wrong_ends_the_command_with_1(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        f"import asyncio, os, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.conformance.faults import NoProof\nasyncio.run(NoProof(os.environ['TIDEMILL_URL']).run())\n"
    )
    said = Mill(tmp_path).tidemill("conformance", "--check", "cancel", "--", sys.executable, "deaf.py")
    assert said.code == 1
    assert "✗ cancel " in said.out
    assert "the proof of the stop is None: say stopped" in said.out
    assert '< [["failed",' in said.out
    assert "not conformant: cancel" in said.out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--listen", "nowhere", "true"), "--listen takes HOST:PORT"),
        (("--check", "cancle", "true"), "Did you mean cancel"),
        (("--within", "0.3", "--", "true"), "did not connect within 0.3 s"),
        (("--", "/no/such/program"), "there is no command /no/such/program"),
    ],
)
def test_a_command_that_cannot_be_checked_says_why(tmp_path: Path, arguments: Sequence[str], reason: str) -> None:
    within = () if "--within" in arguments else ("--within", "0.3")
    said = Mill(tmp_path).tidemill("conformance", *within, *arguments)
    assert said.code in (1, 2)
    assert reason in said.out + said.err
