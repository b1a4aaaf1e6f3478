import asyncio
from pathlib import Path

import pytest

from tests.server.mill import Mill
from tests.server.tasks import Order, add, broken, count, echo, media, price, shout, sleepy
from tidemill.client.errors import (
    InvalidInputError,
    NotFoundError,
    ServerUnreachableError,
    UnknownTaskError,
)
from tidemill.client.remote import AsyncClient
from tidemill.core.run import Code
from tidemill.sdk.errors import RunCancelledError, RunFailedError
from tidemill.sdk.file import File


@pytest.mark.feature("Q1")
async def test_a_typed_call_gives_its_typed_result(client: AsyncClient) -> None:
    assert await (await client.submit(add, 1, b=4)).result(10) == 5
    assert await (await client.submit(price, Order("tea", 3))).result(10) == 7.5
    assert await (await client.submit_named("media.add", {"a": 3})).result(10) == 5


async def test_concurrent_submits_share_requests_and_one_stream(client: AsyncClient) -> None:
    runs = await asyncio.gather(*(client.submit(add, each) for each in range(200)))
    assert await asyncio.gather(*(run.result(20) for run in runs)) == [each + 2 for each in range(200)]


async def test_many_at_once(client: AsyncClient) -> None:
    runs = await client.submit_many(add, [{"a": each} for each in range(50)])
    assert [await run.result(20) for run in runs] == [each + 2 for each in range(50)]


@pytest.mark.feature("I4")
async def test_a_large_value_goes_there_and_back_as_a_blob(client: AsyncClient) -> None:
    data = bytes(range(256)) * 8000
    assert await (await client.submit(echo, data)).result(10) == data


@pytest.mark.feature("I3")
async def test_a_local_file_is_uploaded_and_a_result_file_downloaded(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("hello")
    run = await client.submit(shout, File(tmp_path / "in.txt"))
    loud = await run.result(10)
    target = await client.download(loud, tmp_path / "out.txt")
    assert target.read_text() == "HELLO"
    assert [each.name for each in await run.artifacts()] == ["loud.txt"]


async def test_a_stream_gives_its_items_and_its_list(client: AsyncClient) -> None:
    run = await client.submit(count, 600)
    assert [item async for item in run.stream()] == list(range(600))
    assert [item async for item in run.stream(590)] == list(range(590, 600))
    assert await run.result(10) == list(range(600))


async def test_a_failed_run_says_why(client: AsyncClient) -> None:
    with pytest.raises(RunFailedError) as caught:
        await (await client.submit(broken, "no good")).result(10)
    assert "no good" in caught.value.message
    assert caught.value.code in (Code.PERMANENT, Code.INVALID_INPUT, Code.INTERNAL)


async def test_a_cancelled_run_says_so(client: AsyncClient) -> None:
    run = await client.submit(sleepy, 30.0)
    await run.cancel("enough")
    with pytest.raises(RunCancelledError) as caught:
        await run.result(20)
    assert caught.value.reason == "enough"


async def test_a_result_may_be_waited_for_again_after_a_timeout(client: AsyncClient) -> None:
    run = await client.submit(sleepy, 0.3)
    with pytest.raises(TimeoutError, match=f"^run {run.id} has not ended within 0.01 s; it goes on$"):
        await run.result(0.01)
    assert await run.result(10) == 0.3
    assert await client.run(run.id, sleepy).result(10) == 0.3


@pytest.mark.feature("B6", "B9")
async def test_wrong_inputs_never_start_a_run(client: AsyncClient) -> None:
    with pytest.raises(UnknownTaskError) as unknown:
        await client.submit_named("media.ad", {"a": 1})
    assert unknown.value.nearest[0] == "media.add"
    with pytest.raises(InvalidInputError) as wrong:
        await client.submit_named("media.add", {"a": "one", "bb": 2})
    assert dict(wrong.value.violations).keys() == {"$.a", "$.bb"}
    assert "'b'" in dict(wrong.value.violations)["$.bb"]
    assert (await client.runs()).runs == ()


async def test_an_unknown_run_is_not_found(client: AsyncClient) -> None:
    nobody = client.run("01970000-0000-7000-8000-000000000000")
    with pytest.raises(NotFoundError):
        await nobody.status()
    with pytest.raises(NotFoundError):
        await nobody.result(10)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9", "nothing listens there"),
        ("http://nobody.invalid:7070", "there is no host nobody.invalid"),
    ],
)
async def test_nobody_there_says_where_and_what_to_do_and_nothing_else(url: str, reason: str) -> None:
    async with AsyncClient(url) as client:
        with pytest.raises(ServerUnreachableError) as caught:
            await client.submit(add, 1)
    assert str(caught.value) == (
        f"no server answers at {url}: {reason}. Start one with `tidemill server` or `tidemill dev`, or give the client "
        'the address of yours: Client("http://host:7070")'
    )


@pytest.mark.parametrize(
    ("said", "reason"), [(b"", "the connection broke"), (b"SSH-2.0\r\n", "what listens there does not speak HTTP")]
)
async def test_an_answer_that_is_none_is_told_in_plain_words(said: bytes, reason: str) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with AsyncClient(url) as client:
            with pytest.raises(ServerUnreachableError) as caught:
                await client.health()
    assert caught.value.fact == f"no server answers at {url}: {reason}"


async def test_what_is_known_is_listed(served: Mill) -> None:
    async with served.worker(media), AsyncClient(served.url) as client:
        assert {each.definition.name for each in await client.tasks()} >= {"media.add", "media.count"}
        assert [each.id for each in await client.workers()] == ["w1"]
        assert (await client.health()).status == "ok"
