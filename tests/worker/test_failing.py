"""Tasks that fail, and tasks that are hostile: the worker reports and goes on."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.worker.scripted import Bench, assign, given, ref, value_of
from tidemill.core.run import Code
from tidemill.sdk.context import Context
from tidemill.sdk.errors import InvalidInputError, PermanentError, ResourceError, TransientError
from tidemill.sdk.result import Result
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class StrangeBase(BaseException):
    pass


def deep(n: int) -> int:
    return deep(n + 1) + 1


FAULTS: dict[str, Callable[[], object]] = {
    "value": lambda: int("x"),
    "silent": lambda: raise_(SilentError()),
    "exit": lambda: sys.exit(3),
    "generator_exit": lambda: raise_(GeneratorExit()),
    "interrupt": lambda: raise_(KeyboardInterrupt()),
    "strange": lambda: raise_(StrangeBase()),
    "cancelled": lambda: raise_(asyncio.CancelledError()),
    "stop_iteration": lambda: raise_(StopIteration()),
    "group": lambda: raise_(ExceptionGroup("both", [ValueError("a"), ValueError("b")])),
    "deep": lambda: deep(0),
    "memory": lambda: raise_(MemoryError()),
    "transient": lambda: raise_(TransientError("later", retry_after=7)),
    "permanent": lambda: raise_(PermanentError("never")),
    "resource": lambda: raise_(ResourceError("full")),
    "invalid": lambda: raise_(InvalidInputError("", [("$.width", "must be positive")])),
    "long": lambda: raise_(ValueError("é" * 2_000_000)),
    "long_name": lambda: raise_(type("E" * 1_500_000, (ValueError,), {})("x")),
    "many_violations": lambda: raise_(InvalidInputError("", [("$.é" * 900, "é" * 900)] * 2_000)),
    "long_group": lambda: raise_(ExceptionGroup("all", [ValueError("é" * 90_000) for _ in range(15)])),
    "long_chain": lambda: raise_(chained(200)),
}


def chained(length: int) -> BaseException:
    error = ValueError("the first")
    for _ in range(length):
        error, error.__cause__ = ValueError("é" * 9_000), error
    return error


def raise_(error: BaseException) -> object:
    raise error


@w.task
async def fail_async(how: str) -> None:
    FAULTS[how]()


@w.task
def fail(how: str) -> None:
    FAULTS[how]()


@w.task
async def fine(x: int) -> int:
    return x


@w.task
async def wrong() -> int:
    return cast(int, "three")


@w.task
async def judged(status: str) -> int | Result[int]:
    return Result(status, 3, "no good" if status == "failure" else "")


@w.task
async def loud() -> str:
    return "x" * 300_000


CODES = {
    "transient": Code.TRANSIENT,
    "permanent": Code.PERMANENT,
    "resource": Code.RESOURCE,
    "memory": Code.RESOURCE,
    "invalid": Code.INVALID_INPUT,
    "many_violations": Code.INVALID_INPUT,
}


@pytest.mark.feature("A14")
@pytest.mark.parametrize("task", ["w.fail", "w.fail_async"])
async def test_whatever_a_task_raises_is_reported_and_hurts_nobody(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        for how in FAULTS:
            await server.say(assign(task, how, inputs=given(how=how)))
            failed = await server.hear(wire.Failed)
            assert (failed.attempt, failed.proof) == (ref(how), None)
            assert failed.failure.code is CODES.get(how, Code.INTERNAL), how
            assert failed.failure.message
            assert len(wire.encode_frame([failed])) < wire.FRAME_LIMIT_BYTES, how
            await server.say(assign("w.fine", f"after {how}", inputs=given(x=1)))
            assert value_of(await server.hear(wire.Succeeded)) == 1


@pytest.mark.feature("A14")
async def test_what_the_author_said_arrives(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.fail", inputs=given(how="transient")))
        failure = (await server.hear(wire.Failed)).failure
        assert (failure.message, failure.retry_after_s, failure.type) == ("later", 7, "TransientError")
        await server.say(assign("w.fail", "other", inputs=given(how="invalid")))
        assert (await server.hear(wire.Failed)).failure.violations == (("$.width", "must be positive"),)


async def test_a_wrong_input_never_reaches_the_body(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.fine", inputs=given(x="three")))
        failure = (await server.hear(wire.Failed)).failure
        assert failure.code is Code.INVALID_INPUT
        assert [path for path, _ in failure.violations] == ["$.x"]


async def test_a_wrong_result_is_the_tasks_fault(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.wrong"))
        assert (await server.hear(wire.Failed)).failure.code is Code.INTERNAL


@pytest.mark.feature("A13")
async def test_a_status_travels_with_the_data_and_failure_equals_raising(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.judged", inputs=given(status="needs_review")))
        result = await server.hear(wire.Succeeded)
        assert (result.status, value_of(result)) == ("needs_review", 3)
        await server.say(assign("w.judged", "other", inputs=given(status="failure")))
        failure = (await server.hear(wire.Failed)).failure
        assert (failure.code, failure.message) == (Code.PERMANENT, "no good")


async def test_no_frame_carries_more_values_than_it_may(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        pad = "x" * 9_000
        echo = [assign("w.echo", f"e{n}", inputs=given(text=pad)) for n in range(60)]
        for start in range(0, 60, 5):
            await server.say(*echo[start : start + 5])
        for _ in range(60):
            await server.hear(wire.Succeeded)
        assert max(sum(_size(each) for each in frame) for frame in server.frames) <= wire.FRAME_VALUES_BYTES


@w.task
def save_many(ctx: Context, count: int) -> None:
    for number in range(count):
        ctx.save_bytes(f"{number:0250}", b"")


@w.task
def mark_many(ctx: Context, count: int) -> None:
    for number in range(count):
        ctx.models.mark_hot(f"{number:0200}")


async def test_more_saved_files_than_a_report_has_room_for_fail_the_attempt_alone(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.save_many", inputs=given(count=5_000)))
        failure = (await server.hear(wire.Failed)).failure
        assert (failure.code, failure.message) == (
            Code.PERMANENT,
            "it saved 5,000 files by name, more than a report has room for; return them instead",
        )
        await server.say(assign("w.save_many", "few", inputs=given(count=50)))
        assert len((await server.hear(wire.Succeeded)).artifacts) == 50


async def test_of_very_many_models_the_first_are_told(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.mark_many", inputs=given(count=9_000)))
        await server.hear(wire.Succeeded)
        told = await server.hear(wire.Models)
        assert len(told.hot) == 500
        assert len(wire.encode_frame([told])) < wire.FRAME_LIMIT_BYTES


def _size(message: Any) -> int:
    return len(message.outputs["value"].data) if isinstance(message, wire.Succeeded) else 0


@w.task
async def echo(text: str) -> str:
    return text
