"""No frame leaves that the server would end the connection for: what is too large is told in short."""

import hashlib
from pathlib import Path

import pytest

from tests.worker.scripted import Bench, assign, given, ref, value_of
from tests.worker.test_spool import spooled, until_spooled
from tidemill.core.ids import digest_of
from tidemill.core.run import Code, Failure
from tidemill.core.values import Blob
from tidemill.sdk.context import Context
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.file import File, stored
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
MANY = 32_000  # digests of 34 bytes


@w.task
async def fine(x: int) -> int:
    return x


@w.task
def crowd(n: int) -> list[File]:
    return [stored(digest=f"sha256:{digest_of(b'%d' % each).hex()}", size=1, name="") for each in range(n)]


@w.task
def boast(ctx: Context, letters: int) -> str:
    ctx.heartbeat("h" * letters)
    ctx.progress(0.5, "s" * letters, "m" * letters)
    return "said"


async def test_a_result_with_very_many_files_fails_its_attempt_and_no_more(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.crowd", inputs=given(n=MANY)))
        failed = await server.hear(wire.Failed)
        assert (failed.attempt, failed.failure.code) == (ref(), Code.PERMANENT), failed.failure
        assert "bytes, and the server takes 1,048,576: return fewer files" in failed.failure.message
        await server.say(assign("w.fine", "next", inputs=given(x=3)))
        assert value_of(await server.hear(wire.Succeeded)) == 3


async def test_it_is_told_the_same_way_on_the_next_link(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.crowd", inputs=given(n=MANY)))
        first = await server.hear(wire.Failed)
        assert first.failure.code is Code.PERMANENT
        await server.hang_up()
        assert (await server.accept()).unacknowledged == (ref(),)
        assert await server.hear(wire.Failed) == first


async def test_a_spool_with_such_a_report_is_healed(tmp_path: Path) -> None:
    refs = tuple(digest_of(b"%d" % each) for each in range(MANY))
    frame = wire.encode_frame([wire.Succeeded(ref("old"), {"value": Blob(refs[0], 1, refs=refs)})])
    assert len(frame) > wire.FRAME_LIMIT_BYTES
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0001-x-1").write_bytes(hashlib.sha256(frame).digest() + frame)
    async with Bench(tmp_path, w).connected() as server:
        failed = await server.hear(wire.Failed)
        assert (failed.attempt, failed.failure.code) == (ref("old"), Code.PERMANENT)
        await server.say(wire.Ack((ref("old"),)))
        await until_spooled(tmp_path, 0)
    assert spooled(tmp_path) == []


async def test_reports_that_fit_alone_and_not_together_go_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    for n in range(3):
        violations = tuple(("$.x", "v" * 500) for _ in range(1200))
        frame = wire.encode_frame([wire.Failed(ref(f"s{n}"), Failure(Code.INVALID_INPUT, "m", violations=violations))])
        (tmp_path / "spool" / f"000{n}-x-1").write_bytes(hashlib.sha256(frame).digest() + frame)
    async with Bench(tmp_path, w).connected() as server:
        heard = [await server.hear(wire.Failed) for _ in range(3)]
        assert [(each.attempt.path, len(each.failure.violations)) for each in heard] == [
            ("s0", 1200), ("s1", 1200), ("s2", 1200),
        ]  # fmt: skip


async def test_a_failure_that_is_too_large_keeps_its_code_and_the_beginning_of_its_text(tmp_path: Path) -> None:
    failure = Failure(Code.INVALID_INPUT, "no " * 400_000, traceback="t" * 1_000_000)
    frame = wire.encode_frame([wire.Failed(ref(), failure)])
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0001-x-1").write_bytes(hashlib.sha256(frame).digest() + frame)
    async with Bench(tmp_path, w).connected() as server:
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.failure.message[:6]) == (Code.INVALID_INPUT, "no no ")


async def test_very_long_words_of_a_task_cut_nobody_off(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected(heartbeat_s=0.01) as server:
        await server.say(assign("w.boast", inputs=given(letters=2_000_000)))
        assert value_of(await server.hear(wire.Succeeded)) == "said"
        await server.silence()
        assert all(len(each.message) <= 2_000 for each in server.all_of(wire.Progress))


async def test_very_many_results_that_wait_are_not_all_named_in_a_hello(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    path = "p" * 60_000
    for n in range(24):
        frame = wire.encode_frame([wire.Succeeded(ref(f"{path}{n}"), {})])
        (tmp_path / "spool" / f"{n:04}-x-1").write_bytes(hashlib.sha256(frame).digest() + frame)
    async with Bench(tmp_path, w).running() as server:
        assert [each.path for each in (await server.accept()).unacknowledged] == [f"{path}{n}" for n in range(12)]
        assert [(await server.hear(wire.Succeeded)).attempt.path for _ in range(24)] == [
            f"{path}{n}" for n in range(24)
        ]


def test_a_worker_that_no_server_would_take_does_not_start(tmp_path: Path) -> None:
    loud = Worker("loud")

    def speak() -> None: ...

    speak.__doc__ = "d" * 1_100_000
    loud.task(speak)

    with pytest.raises(DefinitionError, match=r"its 1 tasks has 1,1\d\d,\d\d\d bytes, .* several workers"):
        Bench(tmp_path, loud)
