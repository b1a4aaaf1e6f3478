"""Large values, lists and files on their way in and out; private folders; what is saved by name."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.worker.scripted import Bench, Gate, assign, given, ref, value_of
from tidemill.core.errors import UnavailableError
from tidemill.core.run import Code
from tidemill.core.values import Blob, Given, GivenList, GivenRecord, Inline, Remote
from tidemill.sdk.context import Context
from tidemill.sdk.file import File
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.options import injected
from tidemill.sdk.plans import plan_of
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire
from tidemill.worker.settings import Keep

w = Worker("w")
gate = Gate()


@w.task
def size_of(text: str) -> int:
    return len(text)


@w.task
async def total(numbers: list[int]) -> int:
    return sum(numbers)


@w.task
async def big(size: int) -> str:
    return "x" * size


@w.task
def read(photo: File) -> str:
    return photo.read_text()


@w.task
def read_all(photos: list[File]) -> list[str]:
    return [photo.read_text() for photo in photos]


@w.task
def make(text: str, *, files: TaskFiles = injected) -> File:
    return File(files.write("out/made.txt", text))


@w.task
async def note(text: str, *, files: TaskFiles = injected) -> list[str]:
    await files.awrite("a.txt", text)
    await files.awrite("b/c.txt", text)
    return [str(files.path_to(".keep").parent), *await files.alist(), await files.aread_text("a.txt")]


@w.task
def escape(name: str, *, files: TaskFiles = injected) -> None:
    files.path_to("ok").symlink_to("/etc")
    files.read(name)


@w.task
def publish(ctx: Context, name: str, path: str) -> File:
    kept = ctx.save_bytes(name, b"one", media_type="text/plain")
    ctx.replace_bytes(name, b"two")
    ctx.save_file("copy.bin", path)
    Path(path).write_text("changed since")
    return kept


@w.task
def publish_twice(ctx: Context, name: str) -> None:
    ctx.save_bytes(name, b"one")
    ctx.save_bytes(name, b"two")


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def as_file(data: bytes, name: str = "f.txt") -> Given:
    encoded = {"$file": "sha256:" + digest(data).hex(), "size": len(data), "media_type": "text/plain", "name": name}
    return Given(Inline(msgspec.msgpack.encode(encoded), refs=(digest(data),)))


async def test_a_blob_comes_as_the_value_that_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    data = msgspec.msgpack.encode("x" * 100_000)
    bench.blobs.blobs[digest(data)] = data
    async with bench.connected() as server:
        await server.say(assign("w.size_of", inputs={"text": Given(Blob(digest(data), len(data)))}))
        assert value_of(await server.hear(wire.Succeeded)) == 100_000


async def test_a_field_of_a_blob_and_a_long_list_are_fetched(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    data = msgspec.msgpack.encode({"scores": [1, 2, 3]})
    bench.blobs.blobs[digest(data)] = data
    bench.blobs.lists["pages", "value"] = msgspec.msgpack.encode([10, 20])
    async with bench.connected() as server:
        whole = Given(Blob(digest(data), len(data)), ("scores",))
        await server.say(assign("w.total", "a", inputs={"numbers": whole}))
        assert value_of(await server.hear(wire.Succeeded)) == 6
        await server.say(assign("w.total", "b", inputs={"numbers": Remote("pages", "value")}))
        assert value_of(await server.hear(wire.Succeeded)) == 30
        parts = GivenList((Given(Blob(digest(data), len(data)), ("scores", 2)), given(x=4)["x"]))
        await server.say(assign("w.total", "c", inputs={"numbers": parts}))
        assert value_of(await server.hear(wire.Succeeded)) == 7


async def test_a_value_that_cannot_be_had_fails_the_attempt_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    bench.blobs.blobs[digest(b"right")] = b"wrong"
    async with bench.connected() as server:
        for place, path in ((digest(b"nowhere"), "missing"), (digest(b"right"), "damaged")):
            await server.say(assign("w.size_of", path, inputs={"text": Given(Blob(place, 5))}))
            assert (await server.hear(wire.Failed)).attempt == ref(path)
        await server.say(assign("w.total", inputs=given(numbers=[1])))
        assert value_of(await server.hear(wire.Succeeded)) == 1


async def test_a_server_that_is_away_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    bench.blobs.blobs[digest(b"pixels")] = b"pixels"
    bench.blobs.fails.append(UnavailableError("away"))
    async with bench.connected() as server:
        await server.say(assign("w.read", inputs={"photo": as_file(b"pixels")}))
        assert value_of(await server.hear(wire.Succeeded)) == "pixels"
        bench.blobs.fails.append(UnavailableError("away"))
        await server.say(assign("w.big", "up", inputs=given(size=50_000)))
        assert isinstance((await server.hear(wire.Succeeded)).outputs["value"], Blob)


async def test_a_large_output_goes_by_blob_and_a_small_one_does_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        for size in (16_000, 17_000, 2_000_000):
            await server.say(assign("w.big", str(size), inputs=given(size=size)))
            value = (await server.hear(wire.Succeeded)).outputs["value"]
            assert isinstance(value, Inline if size == 16_000 else Blob)
            if isinstance(value, Blob):
                assert msgspec.msgpack.decode(bench.blobs.blobs[value.digest]) == "x" * size


@pytest.mark.feature("I3")
async def test_a_file_is_fetched_once_per_worker_however_many_want_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    for data in (b"one", b"two"):
        bench.blobs.blobs[digest(data)] = data
    one, two = as_file(b"one"), as_file(b"two")
    async with bench.connected() as server:
        await server.say(*[assign("w.read", f"r{n}", inputs={"photo": one}) for n in range(10)])
        assert [value_of(await server.hear(wire.Succeeded)) for _ in range(10)] == ["one"] * 10
        await server.say(assign("w.read_all", inputs={"photos": GivenList((one, two, one))}))
        assert value_of(await server.hear(wire.Succeeded)) == ["one", "two", "one"]
        assert sorted(bench.blobs.reads) == sorted([digest(b"one"), digest(b"two")])
    again = bench.again()
    async with again.connected() as server:
        await server.say(assign("w.read", "later", inputs={"photo": one}))
        assert value_of(await server.hear(wire.Succeeded)) == "one"
        assert again.blobs.reads == []


async def test_a_damaged_file_is_not_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    bench.blobs.blobs[digest(b"right")] = b"wrong"
    async with bench.connected() as server:
        await server.say(assign("w.read", inputs={"photo": as_file(b"right")}))
        assert (await server.hear(wire.Failed)).failure.code is Code.TRANSIENT
        bench.blobs.blobs[digest(b"right")] = b"right"
        await server.say(assign("w.read", "again", inputs={"photo": as_file(b"right")}))
        assert value_of(await server.hear(wire.Succeeded)) == "right"


@pytest.mark.feature("I3")
async def test_a_local_file_is_uploaded_before_the_result_names_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.say(assign("w.make", inputs=given(text="made here")))
        result = await server.hear(wire.Succeeded)
        assert value_of(result)["$file"] == "sha256:" + digest(b"made here").hex()
        assert result.outputs["value"].refs == (digest(b"made here"),)
        assert bench.blobs.blobs == {digest(b"made here"): b"made here"}
        await server.say(assign("w.make", "again", inputs=given(text="made here")))
        await server.hear(wire.Succeeded)
        assert bench.blobs.writes == [digest(b"made here")]  # the server had it


@pytest.mark.feature("C5")
async def test_a_private_folder_lives_until_the_result_is_accepted(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(
            assign("w.note", "one", inputs=given(text="1")), assign("w.note", "two", inputs=given(text="2"))
        )
        first = await server.hear(wire.Succeeded)
        folder, *names = value_of(first)
        other, *_ = value_of(await server.hear(wire.Succeeded))
        assert folder != other
        assert names[:2] == ["a.txt", "b/c.txt"]
        assert Path(folder).is_dir()
        await server.say(wire.Ack((first.attempt,)))
        await vanished(folder)
        assert Path(other).is_dir()


async def vanished(folder: str) -> None:
    async with asyncio.timeout(5):
        while Path(folder).exists():  # noqa: ASYNC110 - the end of a folder is no message
            await asyncio.sleep(0.005)


@pytest.mark.feature("C5")
async def test_folders_stay_when_that_is_asked_for_and_else_a_new_life_sweeps(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, keep=Keep.FOR_EVER)
    async with bench.connected() as server:
        await server.say(assign("w.note", inputs=given(text="1")))
        result = await server.hear(wire.Succeeded)
        await server.say(wire.Ack((result.attempt,)))
        await server.silence()
        folder = value_of(result)[0]
    assert Path(folder).is_dir()
    async with bench.again().connected():
        assert not Path(folder).exists()


@pytest.mark.feature("C5")
@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "ok/passwd", "a/../../x", "."])
async def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.escape", inputs=given(name=name)))
        failure = (await server.hear(wire.Failed)).failure
        assert failure.type == "EscapeError"


@pytest.mark.feature("C6")
async def test_what_is_saved_by_name_is_uploaded_and_listed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    source = tmp_path / "source.bin"
    source.write_text("source")
    async with bench.connected() as server:
        await server.say(assign("w.publish", inputs=given(name="report.txt", path=str(source))))
        result = await server.hear(wire.Succeeded)
        assert result.artifacts == (
            wire.Published("report.txt", digest(b"two"), 3, "text/plain"),
            wire.Published("copy.bin", digest(b"source"), 6, "application/octet-stream"),
        )
        assert set(bench.blobs.blobs.values()) == {b"one", b"two", b"source"}
        assert value_of(result)["$file"] == "sha256:" + digest(b"one").hex()


@pytest.mark.feature("C6")
async def test_a_name_is_used_once_unless_replaced_and_a_failure_keeps_what_was_saved(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.publish_twice", inputs=given(name="report.txt")))
        failed = await server.hear(wire.Failed)
        assert failed.failure.type == "FileExistsError"
        assert failed.artifacts == (wire.Published("report.txt", digest(b"one"), 3, "text/plain"),)
        await server.say(assign("w.publish_twice", "b", inputs=given(name="../report.txt")))
        assert (await server.hear(wire.Failed)).failure.code is Code.INVALID_INPUT


def test_plans_agree_on_what_a_file_is() -> None:
    value: Any = plan_of(File).decode(as_file(b"x"))
    assert value.digest == "sha256:" + digest(b"x").hex()
    assert isinstance(as_file(b"x"), Given)
    assert GivenRecord({}) == GivenRecord({})
