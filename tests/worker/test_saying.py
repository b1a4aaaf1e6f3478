"""Progress and captured output: whose it is, in batches, bounded, and never in the task's way."""

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.worker.scripted import RUN, Bench, Gate, assign, given, ref, value_of
from tidemill.adapters.system.capture import captured_output
from tidemill.core.ids import text_of
from tidemill.ports.backend import speaking
from tidemill.sdk.context import Context
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()
log = logging.getLogger("their.module")


@contextmanager
def capturing() -> Iterator[io.StringIO]:
    """As assembly installs it, over streams of the test's own."""
    outer, before = io.StringIO(), (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = outer
    try:
        with captured_output(speaking.get):
            yield outer
    finally:
        sys.stdout, sys.stderr = before


@w.task
async def chats(name: str, other: str) -> None:
    print(f"{name} says hello")
    log.info("%s logs", name)
    gate.open(f"{name} spoke")
    await gate.hold(f"{other} spoke")
    print(f"{name} says", end=" ")
    print("goodbye", file=sys.stderr)
    sys.stdout.write("no line end")


@w.task
def chats_in_a_thread(name: str) -> None:
    print(f"{name}\nin two lines")
    log.warning("careful, %s", name)
    log.debug("not this")


@w.task
def floods(lines: int) -> None:
    for n in range(lines):
        print(f"{n:06d}" + "x" * 94)


@w.task
def one_long_line(size: int) -> None:
    print("x" * size)


@w.task
async def progresses(ctx: Context, times: int) -> None:
    for n in range(times):
        ctx.progress(n / times, "reading", f"page {n}")
    ctx.progress(7.0, "over")


@w.task
async def progresses_slowly(ctx: Context, name: str) -> None:
    ctx.progress(0.25, "first")
    await gate.hold(name)
    ctx.progress(-1)
    try:
        ctx.progress(float("nan"))
    except ValueError:
        log.info("NaN was refused")


@w.task
async def facts(ctx: Context) -> list[Any]:
    assert ctx.time_left is not None
    return [
        ctx.run_id, ctx.step_path, ctx.attempt, ctx.idempotency_key, ctx.task, ctx.worker, ctx.workflow, ctx.priority,
        dict(ctx.tags), 0 < ctx.time_left.total_seconds() <= 60,
    ]  # fmt: skip


@w.stream
async def prints_between_items(to: int) -> AsyncIterator[int]:
    for n in range(to):
        print(f"item {n}")
        yield n


def lines_of(server: Any, path: str) -> list[tuple[str, str, str]]:
    return [
        (line.level, line.logger, line.text)
        for message in server.all_of(wire.Log)
        if message.attempt == ref(path)
        for line in message.lines
    ]


async def test_each_attempt_gets_its_own_lines_however_they_interleave(tmp_path: Path) -> None:
    with capturing() as outer:
        async with Bench(tmp_path, w).connected() as server:
            print("the worker's own")
            await server.say(
                assign("w.chats", "a", inputs=given(name="a", other="b")),
                assign("w.chats", "b", inputs=given(name="b", other="a")),
            )
            for _ in range(2):
                await server.hear(wire.Succeeded)
            await server.silence()
            for name in ("a", "b"):
                assert sorted(lines_of(server, name)) == sorted(
                    [
                        ("STDOUT", "", f"{name} says hello"),
                        ("INFO", "their.module", f"{name} logs"),
                        ("STDERR", "", "goodbye"),
                        ("STDOUT", "", f"{name} says no line end"),
                    ]
                )
        assert outer.getvalue() == "the worker's own\n"


async def test_sync_tasks_are_captured_too(tmp_path: Path) -> None:
    with capturing():
        async with Bench(tmp_path, w).connected() as server:
            await server.say(assign("w.chats_in_a_thread", "t", inputs=given(name="thread")))
            await server.hear(wire.Succeeded)
            await server.silence()
            said = lines_of(server, "t")
            assert said[:3] == [
                ("STDOUT", "", "thread"),
                ("STDOUT", "", "in two lines"),
                ("WARNING", "their.module", "careful, thread"),
            ]
            assert not [line for line in said if "not this" in line[2]]


async def test_a_flood_is_bounded_and_what_was_dropped_is_counted(tmp_path: Path) -> None:
    with capturing():
        async with Bench(tmp_path, w).connected() as server:
            await server.say(assign("w.floods", "f", inputs=given(lines=50_000)))
            await server.hear(wire.Succeeded)
            await server.silence()
            logs = server.all_of(wire.Log)
            kept = lines_of(server, "f")
            assert len(kept) + sum(each.dropped for each in logs) == 50_000
            assert sum(len(text) for _, _, text in kept) < 3 * 1024 * 1024
            assert kept[-1][2].startswith("049999")  # the newest lines are the ones that stay
            assert all(sum(len(line.text) for line in each.lines) <= wire.FRAME_VALUES_BYTES for each in logs)


async def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    with capturing():
        async with Bench(tmp_path, w).connected() as server:
            await server.say(assign("w.one_long_line", "l", inputs=given(size=5_000_000)))
            await server.hear(wire.Succeeded)
            await server.silence()
            ((_, _, text),) = lines_of(server, "l")
            assert len(text) < 20_000
            assert text.endswith("characters cut)")


@pytest.mark.feature("C2")
async def test_progress_is_joined_clamped_and_ends_at_one(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.progresses", inputs=given(times=1000)))
        await server.hear(wire.Succeeded)
        seen = server.all_of(wire.Progress)
        assert len(seen) < 10
        assert seen[-1] == wire.Progress(ref(), 1.0, "over", "")


@pytest.mark.feature("C2")
async def test_progress_is_shown_while_it_is_made(tmp_path: Path) -> None:
    with capturing():
        async with Bench(tmp_path, w).connected() as server:
            await server.say(assign("w.progresses_slowly", "p", inputs=given(name="slow")))
            assert await server.hear(wire.Progress) == wire.Progress(ref("p"), 0.25, "first", "")
            gate.open("slow")
            assert (await server.hear(wire.Progress)).fraction == 0.0
            await server.hear(wire.Succeeded)
            await server.silence()
            assert ("INFO", "their.module", "NaN was refused") in lines_of(server, "p")


async def test_the_context_knows_the_attempt(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(
            assign("w.facts", "pages[3]/read", 2, workflow="album", priority=5, tags={"a": "b"}, timeout_s=60.0)
        )
        run = text_of(RUN)
        assert value_of(await server.hear(wire.Succeeded)) == [
            run, "pages[3]/read", 2, f"{run}/pages[3]/read", "w.facts", "w1", "album", 5, {"a": "b"}, True,
        ]  # fmt: skip


async def test_a_stream_may_print_between_its_items(tmp_path: Path) -> None:
    with capturing():
        async with Bench(tmp_path, w).connected() as server:
            await server.say(assign("w.prints_between_items", "s", inputs=given(to=3)))
            upto = 0
            while upto < 3:
                chunk = await server.hear(wire.Chunk)
                upto = chunk.first + len(chunk.items)
                await server.say(wire.ChunkAck(ref("s"), upto))
            await server.hear(wire.Succeeded)
            await server.silence()
            assert [text for _, _, text in lines_of(server, "s")] == ["item 0", "item 1", "item 2"]


async def test_lines_wait_for_a_link(tmp_path: Path) -> None:
    with capturing():
        async with Bench(tmp_path, w).connected() as server:
            await server.say(assign("w.chats", "a", inputs=given(name="lone", other="nobody")))
            await server.hear(wire.Log)
            await server.hang_up()
            gate.open("nobody spoke")
            await asyncio.sleep(0)
            await server.accept()
            await server.hear(wire.Succeeded)
