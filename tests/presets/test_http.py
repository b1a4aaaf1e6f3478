"""HTTP requests as tasks: answers, caps, redirects, secrets, and addresses that may not be asked."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.presets.conftest import serving
from tidemill import (
    Code,
    DefinitionError,
    InvalidInputError,
    PermanentError,
    RunFailedError,
    TransientError,
    Worker,
    workflow,
)
from tidemill.net.addresses import PrivateAddressError
from tidemill.presets.http import HttpAnswer, HttpCall
from tidemill.presets.sleep import Sleep
from tidemill.presets.worker import preset_worker
from tidemill.sdk.catalog import task_named
from tidemill.testing.local import local

LOOPBACK = ("127.0.0.0/8", "::1")


async def echo(request: web.Request) -> web.StreamResponse:
    seen = {"method": request.method, "query": dict(request.query), "text": await request.text()}
    return web.json_response({**seen, "headers": dict(request.headers)})


@pytest.mark.feature("A19")
async def test_a_request_is_made_and_its_answer_given() -> None:
    call = HttpCall(allow=LOOPBACK, secrets={"TOKEN": "s3cret"})
    async with serving({"/": echo}) as url:
        answer = await call(
            f"{url}/?a=1",
            "post",
            query={"b": "2"},
            json={"x": [1]},
            headers={"X-Mill": "tide"},
            secret_headers={"Authorization": "Bearer {TOKEN}"},
        )
    assert (answer.status, answer.data["method"], answer.data["text"]) == (200, "POST", '{"x": [1]}')
    assert answer.data["query"] == {"a": "1", "b": "2"}
    assert answer.data["headers"]["X-Mill"] == "tide"
    assert answer.data["headers"]["Content-Type"] == "application/json"
    assert answer.data["headers"]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(call)


async def test_an_answer_may_be_a_failure_and_says_whether_to_try_again() -> None:
    async def says(request: web.Request) -> web.StreamResponse:
        status = int(request.query["status"])
        return web.Response(status=status, text="no flour", headers={"Retry-After": request.query.get("after", "7")})

    call = HttpCall(allow=LOOPBACK)
    async with serving({"/": says}) as url:
        with pytest.raises(PermanentError, match=r"127\.0\.0\.1 answered 404: no flour"):
            await call(f"{url}/?status=404")
        for status in (429, 503):
            with pytest.raises(TransientError, match=f"answered {status}") as later:
                await call(f"{url}/?status={status}")
            assert later.value.retry_after_s == 7
        for after in ("-7", "9" * 400, "\u00b2", "Fri, 31 Dec 1999 23:59:59 GMT"):
            with pytest.raises(TransientError) as whenever:
                await call(f"{url}/?status=503&after={after}")
            assert whenever.value.retry_after_s is None
        assert (await call(f"{url}/?status=404", accept=[404])).text == "no flour"


async def test_size_and_time_are_bounded() -> None:
    async def long(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 100_001)

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with serving({"/long": long, "/slow": slow}) as url:
        assert len((await HttpCall(LOOPBACK, most_bytes=100_001)(f"{url}/long")).text) == 100_001
        with pytest.raises(PermanentError, match="longer than 100,000 bytes"):
            await HttpCall(LOOPBACK, most_bytes=100_000)(f"{url}/long")
        with pytest.raises(TransientError, match=r"no answer within 0\.05 s"):
            await HttpCall(LOOPBACK)(f"{url}/slow", timeout_s=0.05)
        with pytest.raises(TransientError, match=r"no answer within 0\.05 s"):
            await HttpCall(LOOPBACK, most_s=0.05)(f"{url}/slow")
    with pytest.raises(TransientError, match="the request failed"):
        await HttpCall(LOOPBACK)(url)  # nobody listens any more


async def test_private_addresses_are_refused_by_number_by_name_and_after_a_redirect() -> None:
    seen: list[str] = []

    async def away(request: web.Request) -> web.StreamResponse:
        seen.append(request.query["to"])
        raise web.HTTPFound(request.query["to"])

    async with serving({"/": echo, "/away": away}) as url:
        port = url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433"):
            with pytest.raises((PrivateAddressError, InvalidInputError)):
                await HttpCall()(f"http://{host}:{port}/")
        only_one = HttpCall(allow=["127.0.0.1"])
        assert (await only_one(f"{url}/")).status == 200
        for target in (f"http://127.0.0.2:{port}/", "http://169.254.169.254/latest", "http://[::1]/"):
            with pytest.raises(PrivateAddressError, match="no public address"):
                await only_one(f"{url}/away", query={"to": target})
        with pytest.raises(InvalidInputError, match="file is not asked"):
            await only_one(f"{url}/away", query={"to": "file:/etc/passwd"})
    assert len(seen) == 4


async def test_a_redirect_to_another_origin_takes_no_secret_along() -> None:
    async with serving({"/": echo}) as other:

        async def away(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(other if "there" in request.query else "/here")

        async def endless(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound("/endless")

        async with serving({"/away": away, "/here": echo, "/endless": endless}) as url:
            call = HttpCall(LOOPBACK, secrets={"TOKEN": "s3cret"})
            secret = {"X-Key": "{TOKEN}"}
            here = await call(f"{url}/away", "POST", text="body", secret_headers=secret)
            there = await call(f"{url}/away?there", secret_headers=secret, headers={"Cookie": "a=b", "X-Other": "c"})
            with pytest.raises(PermanentError, match="more than 5 redirects"):
                await call(f"{url}/endless")
    assert (here.data["headers"]["X-Key"], here.data["method"], here.data["text"]) == ("s3cret", "GET", "")
    assert there.url.startswith(other)
    assert {"X-Key", "Cookie"}.isdisjoint(there.data["headers"])
    assert there.data["headers"]["X-Other"] == "c"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"url": "ftp://example.org/"}, "ftp is not asked"),
        ({"url": "nonsense"}, "no scheme is not asked"),
        ({"url": "http://127.0.0.1:99999999/"}, "no URL"),
        ({"url": "http://127.0.0.1/", "json": 1, "text": "x"}, "one body"),
        ({"url": "http://127.0.0.1/", "headers": {"X": "a\r\nb"}}, "no header of one line"),
        ({"url": "http://127.0.0.1/", "secret_headers": {"X": "{OTHER}"}}, "no secret OTHER; it has TOKEN"),
        ({"url": "http://127.0.0.1/", "secret_headers": {"X": "itself"}}, "never itself"),
    ],
)
async def test_a_request_that_cannot_be_made_is_refused(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        await HttpCall(LOOPBACK, secrets={"TOKEN": "s3cret"})(**asked)


def test_an_operator_is_told_of_what_is_no_network() -> None:
    with pytest.raises(DefinitionError, match="allow takes addresses, networks"):
        HttpCall(allow=["10.0.0.0/99"])


class Shout:
    """A preset of a user's own."""

    preset_name = "shout"

    def __call__(self, text: str) -> str:
        return text.upper()


@workflow
def loud(url: str) -> str:
    task_named("tidemill.sleep")(seconds=0.001)
    answer = task_named("tidemill.http", HttpAnswer)(url=url, query={"word": "tide"})
    return task_named("tidemill.shout", str)(text=answer.text)


@pytest.mark.feature("A19")
async def test_presets_are_tasks_by_name_beside_those_of_a_user() -> None:
    async def word(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.query["word"])

    presets = preset_worker(HttpCall(LOOPBACK), Sleep(most_s=1), Shout())
    assert isinstance(presets, Worker)
    assert sorted(presets.tasks) == ["tidemill.http", "tidemill.shout", "tidemill.sleep"]
    assert presets.tasks["tidemill.http"].definition.doc.startswith("Make one HTTP request.")
    async with serving({"/": word}) as url, local(presets) as client:
        run = await client.submit(loud, url)
        assert await run.result() == "TIDE"
        too_long = await client.submit_named("tidemill.sleep", {"seconds": 9})
        with pytest.raises(RunFailedError, match="must be from 0 to 1") as failed:
            await too_long.result()
        assert failed.value.code is Code.INVALID_INPUT
        private = await client.submit_named("tidemill.http", {"url": "http://10.255.255.1/"})
        with pytest.raises(RunFailedError, match=r"10\.255\.255\.1 has no public address") as failed:
            await private.result()
        assert failed.value.code is Code.PERMANENT
