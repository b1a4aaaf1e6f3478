"""The client of code that blocks, used from threads; the server has a loop of its own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_type

import pytest

from tests.server.mill import mill
from tests.server.tasks import add, count, media, sleepy
from tidemill import InvalidInputError
from tidemill.client.blocking import Client, Run
from tidemill.ports.blobs import BlobDamagedError
from tidemill.sdk.errors import RunCancelledError
from tidemill.sdk.file import File


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    ready, ends, urls = threading.Event(), asyncio.Event(), list[str]()
    loops = list[asyncio.AbstractEventLoop]()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with mill(tmp_path / "server") as running, running.worker(media):
            urls.append(running.url)
            ready.set()
            await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert ready.wait(20)
    with Client(urls[0]) as made:
        yield made
    loops[0].call_soon_threadsafe(ends.set)
    thread.join()


@pytest.mark.feature("Q1")
def test_it_does_what_the_other_does(client: Client, tmp_path: Path) -> None:
    run = client.submit(add, 1, b=4)
    assert_type(run, Run[int])
    assert_type(run.result(10), int)
    assert run.result(10) == 5
    assert (run.status(), run.id) == ("succeeded", client.runs().runs[0].id)
    assert list(client.submit(count, 5).stream()) == [0, 1, 2, 3, 4]
    assert next(event.kind for event in run.events()) == "run_submitted"
    assert [step.path for step in run.steps()] == ["add"]
    assert [each.result(10) for each in client.submit_many(add, [{"a": 1}, {"a": 2}])] == [3, 4]
    assert client.submit_named("media.add", {"a": 1}).result(10) == 3
    assert client.run(run.id, add).result(10) == 5
    assert {each.definition.name for each in client.tasks()} > {"media.add"}
    with pytest.raises(InvalidInputError):
        client.submit_named("media.add", {"a": "x"})
    tagged = client.options(tags={"for": "test"}, priority=3).submit(add, 1)
    assert tagged.view().tags == {"for": "test"}
    waiting = client.submit(sleepy, 30.0)
    waiting.cancel("enough")
    with pytest.raises(RunCancelledError):
        waiting.result(20)


def test_threads_share_it(client: Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda each: client.submit(add, each).result(20), range(100))) == list(range(2, 102))


@pytest.mark.feature("I4")
def test_files_go_up_once_and_come_down_verified(client: Client, tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    told: list[tuple[int, int]] = []
    file = client.upload(data, name="data.bin", progress=lambda done, whole: told.append((done, whole)))
    assert told[-1] == (len(data), len(data))
    (tmp_path / "data.bin.part").write_bytes(data[:1000])
    target = client.download(file, tmp_path)
    assert (target, target.read_bytes()) == (tmp_path / "data.bin", data)
    (tmp_path / "other.part").write_bytes(b"x" * 1000)
    with pytest.raises(BlobDamagedError, match="other bytes"):
        client.download(file, tmp_path / "other")
    assert client.download(file, tmp_path / "other").read_bytes() == data
    again = client.upload(tmp_path / "other")
    assert isinstance(again, File)
    assert again.digest == file.digest


@pytest.mark.parametrize(
    ("url", "said"),
    [("ftp://me:secret@host", "not with ftp://"), ("host:7070", "not without either"), ("", "not without")],
)
def test_an_address_of_another_kind_is_refused_at_once(url: str, said: str) -> None:
    with pytest.raises(ValueError, match="begins with http:// or https://, as http://host:7070 does") as caught:
        Client(url)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
