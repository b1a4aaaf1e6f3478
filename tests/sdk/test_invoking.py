"""Running bodies: what goes in, what comes out, and what an exception means."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import (
    Code,
    Context,
    File,
    InvalidInputError,
    PermanentError,
    ResourceError,
    Result,
    TaskFiles,
    TransientError,
    Worker,
    injected,
)
from tidemill.core.bodies import AttemptFacts, Completed, Encoded
from tidemill.core.run import Failure
from tidemill.core.values import Encoding, Given, Inline
from tidemill.sdk.errors import EscapeError
from tidemill.sdk.failures import classify, public_text
from tidemill.sdk.invoke import Call, invoke, invoke_async
from tidemill.sdk.ports import IfExists

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclasses.dataclass
class Draft:
    topic: str
    pages: int = 1

    def __post_init__(self) -> None:
        if self.pages < 0:
            raise ValueError("pages count from 0")


class Box(NamedTuple):
    left: int
    draft: Draft


class Attempt:
    """An attempt that remembers what it was told."""

    def __init__(self, folder: Path = Path()) -> None:
        self.cancelled = False
        self.told: list[Any] = []
        self._folder = folder

    def folder(self) -> str:
        return str(self._folder)

    async def in_thread(self, function: Any) -> Any:
        return await asyncio.to_thread(function)

    def is_cancelled(self) -> bool:
        return self.cancelled

    def now(self) -> datetime:
        return NOW

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self.told.append((fraction, stage, message))

    def heartbeat(self, details: str) -> None:
        self.told.append(details)

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File:
        raise NotImplementedError

    def mark_hot(self, name: str, size: int) -> None:
        self.told.append(f"hot {name} {size}")

    def mark_cold(self, name: str) -> None:
        self.told.append(f"cold {name}")

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        raise NotImplementedError


worker = Worker("w")


@worker.task
def plain(draft: Draft, by: int = 2) -> Box:
    return Box(draft.pages * by, draft)


@worker.task
async def waits(draft: Draft) -> int:
    await asyncio.sleep(0)
    return draft.pages


@worker.stream
def counts(ctx: Context, upto: int) -> Iterator[int]:
    for each in range(upto):
        yield each if each < 7 else "seven"  # type: ignore[misc]


@worker.stream
async def acounts(upto: int) -> AsyncIterator[int]:
    for each in range(upto):
        yield each


FACTS = AttemptFacts(run="r", path="a/b", number=2, task="w.plain", worker="box", tags={"k": "v"})


def call_of(task: Any, attempt: Attempt, **inputs: Any) -> Call:
    arguments = {name: Given(each.inline) for name, each in task.bind((), inputs).items()}
    return Call(task, arguments, FACTS, attempt, attempt)


def run(task: Any, attempt: Attempt | None = None, **inputs: Any) -> Any:
    items: list[Encoded] = []
    return invoke(call_of(task, attempt or Attempt(), **inputs), items.append), [
        msgspec.msgpack.decode(i.data) for i in items
    ]


def failure(body: Any, attempt: Attempt | None = None) -> Failure:
    done, _ = run(Worker("x").task("t")(body), attempt)
    assert isinstance(done, Failure)
    return done


def result(task: Any, done: Completed) -> Any:
    return task.decode_result({port: Given(each.inline) for port, each in done.outputs.items()})


@given(st.integers(0, 9), st.integers(0, 9), st.text())
def test_a_result_is_what_the_function_gives(pages: int, by: int, topic: str) -> None:
    done, _ = run(plain, draft=Draft(topic, pages), by=by)
    assert set(done.outputs) == {"left", "draft"}
    assert result(plain, done) == plain.fn(Draft(topic, pages), by)


async def test_an_async_body_is_awaited() -> None:
    done = await invoke_async(call_of(waits, Attempt(), draft=Draft("a", 3)), lambda _: asyncio.sleep(0))
    assert isinstance(done, Completed)
    assert result(waits, done) == 3


def test_items_are_given_on_as_they_come() -> None:
    assert run(counts, upto=3) == (Completed({}, items=3), [0, 1, 2])


async def test_an_async_stream_waits_while_its_items_do() -> None:
    items = []

    async def emit(item: Encoded) -> None:
        await asyncio.sleep(0)
        items.append(item.data)

    done = await invoke_async(call_of(acounts, Attempt(), upto=3), emit)
    assert (done, items) == (Completed({}, items=3), [b"\0", b"\1", b"\2"])


def test_an_item_that_is_not_as_declared_ends_the_stream() -> None:
    done, items = run(counts, upto=9)
    assert items == list(range(7))
    assert (done.code, done.message) == (Code.INTERNAL, "the task gave no int: Expected `int`, got `str` (at $[7])")


def test_a_stream_that_was_told_to_stop_ends_between_items() -> None:
    attempt = Attempt()
    items: list[Encoded] = []

    def emit(item: Encoded) -> None:
        items.append(item)
        attempt.cancelled = len(items) == 2

    done = invoke(call_of(counts, attempt, upto=5), emit)
    assert isinstance(done, Failure)
    assert (done.code, len(items)) == (Code.CANCELLED, 2)


async def test_a_cancelled_body_counts_as_cancelled() -> None:
    @worker.task
    async def sleeps() -> None:
        await asyncio.sleep(60)

    attempt = Attempt()
    attempt.cancelled = True
    running = asyncio.ensure_future(invoke_async(call_of(sleeps, attempt), lambda _: asyncio.sleep(0)))
    await asyncio.sleep(0)
    running.cancel()
    done = await running
    assert isinstance(done, Failure)
    assert (done.code, done.type) == (Code.CANCELLED, "CancelledError")


def raising(error: BaseException) -> Any:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientError("busy"), Code.TRANSIENT),
        (PermanentError("never"), Code.PERMANENT),
        (ResourceError("disk"), Code.RESOURCE),
        (MemoryError(), Code.RESOURCE),
        (InvalidInputError("bad"), Code.INVALID_INPUT),
        (ValueError("oops"), Code.INTERNAL),
        (SystemExit(3), Code.INTERNAL),
    ],
)
def test_errors_mean_what_they_say(error: BaseException, code: Code) -> None:
    assert failure(raising(error)).code is code


def test_what_an_error_knows_is_told() -> None:
    assert failure(raising(TransientError("busy", retry_after=timedelta(seconds=3)))).retry_after_s == 3.0
    told = failure(raising(InvalidInputError("", [("$.a", "bad"), ("$.b", "worse")])))
    assert (told.violations, told.message) == ((("$.a", "bad"), ("$.b", "worse")), "$.a: bad; $.b: worse")
    told = failure(raising(ValueError("oops")))
    assert (told.message, told.type) == ("ValueError: oops", "ValueError")
    error = RuntimeError("in the end")
    error.__cause__ = ValueError("at first")
    assert "at first" in failure(raising(error)).traceback
    assert "in the end" in failure(raising(error)).traceback


def test_a_traceback_begins_in_the_task_and_of_a_very_long_one_both_ends_stay() -> None:
    first = failure(raising(ValueError("oops"))).traceback.splitlines()[:2]
    assert first[0] == "Traceback (most recent call last):"
    assert __file__ in first[1]
    told = failure(raising(ValueError(f"begin{'x' * 100_000}end"))).traceback
    assert len(told) < 33_000
    assert "begin" in told
    assert told.endswith("end\n")
    assert "characters are left out" in told


def test_a_code_of_its_own_is_taken_from_an_exception_and_an_unknown_one_is_internal() -> None:
    for code, expected in (("transient", Code.TRANSIENT), ("strange", Code.INTERNAL), (404, Code.INTERNAL)):
        error = RuntimeError("x")
        error.code = code  # type: ignore[attr-defined]
        assert classify(error, told_to_stop=False).code is expected


def test_whatever_is_raised_after_the_stop_counts_as_cancelled() -> None:
    def body(ctx: Context) -> None:
        assert ctx.cancelled
        raise ValueError("torn")

    attempt = Attempt()
    attempt.cancelled = True
    assert failure(body, attempt).code is Code.CANCELLED


def test_a_result_carries_a_status_or_an_error() -> None:
    def status() -> Result[int]:
        return Result(status="odd", data=3)

    def text() -> Result[int]:
        return Result(status="failure", error="no good")

    def error() -> int | Result[int]:
        return Result(status="failure", error=TransientError("later"))

    done, _ = run(Worker("x").task("t")(status))
    assert (done.status, done.outputs["value"].data) == ("odd", b"\3")
    assert (failure(text).code, failure(text).message) == (Code.PERMANENT, "no good")
    assert failure(error).code is Code.TRANSIENT
    task = Worker("x").task("t")(text)
    with pytest.raises(PermanentError, match="no good"):
        task()


def test_a_result_that_is_not_as_declared_says_where() -> None:
    def part() -> Box:
        return Box("x", Draft("a"))  # type: ignore[arg-type]

    def none() -> Box:
        return None  # type: ignore[return-value]

    assert failure(part).message == "the task gave no int: Expected `int`, got `str` (at $.left)"
    assert failure(none).message == "the task gave no Box, but NoneType"


@pytest.mark.parametrize(
    ("arguments", "violation"),
    [
        ({"draft": b'{"topic": "a", "pages": -1}'}, ("$.draft", "pages count from 0")),
        ({"draft": b'{"topic": 3}'}, ("$.draft.topic", "Expected `str`, got `int`")),
        ({"draft": b'{"pages": 3}'}, ("$.draft", "Object missing required field `topic`")),
        ({}, ("$.draft", "missing")),
        ({"drfat": b"{}"}, ("$.drfat", "unknown input; did you mean 'draft'?")),
    ],
)
def test_a_bad_input_is_told_with_its_path(arguments: dict[str, bytes], violation: tuple[str, str]) -> None:
    given_ = {name: Given(Inline(data, Encoding.JSON)) for name, data in arguments.items()}
    attempt = Attempt()
    done = invoke(Call(plain, given_, FACTS, attempt, attempt), lambda _: None)
    assert isinstance(done, Failure)
    assert (done.code, done.violations) == (Code.INVALID_INPUT, (violation,))


def test_a_task_may_drop_what_it_does_not_know() -> None:
    task = Worker("x").task("t", ignore_unknown=True)(plain.fn)
    arguments = {name: Given(each.inline) for name, each in plain.bind((Draft("a"),), {}).items()}
    attempt = Attempt()
    done = invoke(Call(task, {**arguments, "more": Given(Inline(b"\1"))}, FACTS, attempt, attempt), lambda _: None)
    assert isinstance(done, Completed)


def test_the_context_knows_its_attempt() -> None:
    attempt = Attempt()
    facts = msgspec.structs.replace(FACTS, deadline=NOW + timedelta(seconds=9))
    ctx = Context(facts, attempt)
    assert (ctx.run_id, ctx.step_path, ctx.attempt, ctx.worker, ctx.tags) == ("r", "a/b", 2, "box", {"k": "v"})
    assert ctx.time_left == timedelta(seconds=9)
    assert Context(FACTS, attempt).time_left is None
    again = Context(msgspec.structs.replace(facts, number=3), attempt)
    assert ctx.idempotency_key == again.idempotency_key
    ctx.progress(7, "late")
    ctx.progress(-1)
    ctx.heartbeat("still here")
    assert attempt.told == [(1.0, "late", ""), (0.0, "", ""), "still here"]
    with pytest.raises(ValueError, match="not NaN"):
        ctx.progress(float("nan"))


async def test_task_files_stay_in_their_folder(tmp_path: Path) -> None:
    files = TaskFiles(Attempt(tmp_path / "inner"))
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "inner" / "link").symlink_to(tmp_path)
    files.write("a/b.txt", "é\n")
    await files.awrite("c.bin", b"\0")
    with files.open("d.txt", "w") as file:
        file.write("x")
    assert (files.read("a/b.txt"), files.read_text("a/b.txt")) == ("é\n".encode(), "é\n")
    assert (await files.aread("c.bin"), await files.aread_text("d.txt")) == (b"\0", "x")
    assert list(files.list()) == await files.alist() == ["a/b.txt", "c.bin", "d.txt"]
    assert files.exists("c.bin")
    assert not await files.aexists("none")
    for name in ("../secret", "/etc/passwd", "a/../../secret", "link/secret", ".", ""):
        with pytest.raises(EscapeError, match="leads out of the task's folder"):
            files.read(name)
        with pytest.raises(EscapeError):
            files.write(name, b"")


def test_the_folder_is_given_by_name() -> None:
    @worker.task
    def writes(*, files: TaskFiles = injected) -> bytes:
        files.write("a", "b")
        return files.read("a")

    assert writes() == b"b"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no file /srv/ann/data/a.txt", "no file …/a.txt"),
        ("at C:\\Data\\ann\\a.txt", "at …/a.txt"),
        ("token=abc123 refused", "token=… refused"),
        ("Authorization: Bearer abc.def", "Authorization: …"),
        ("postgres://ann:pw@host/db", "postgres://…@host/db"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("1/2 of it", "1/2 of it"),
        ("x" * 3000, "x" * 1999 + "…"),
    ],
)
def test_a_public_message_tells_no_secret(text: str, told: str) -> None:
    assert public_text(text) == told
