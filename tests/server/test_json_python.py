"""Our own worker through `tidemill.v1+json`: all that it says and hears has a form in JSON."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from tests.server.mill import Mill
from tests.server.tasks import Order, add, broken, count, echo, media, price, shout
from tidemill import File, map_over, workflow
from tidemill.client.remote import AsyncClient
from tidemill.core.values import Encoding, Inline, Value
from tidemill.ports.link import Link, LinkDownError
from tidemill.wire import worker as wire


class JsonEnd:
    """The worker's end: msgpack above, JSON below."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        told = [_as_json(message) for message in wire.decode_to_server(frame)]
        try:
            await self._socket.send_str(wire.encode_json_frame(told).decode())
        except (ConnectionError, aiohttp.ClientError):
            raise LinkDownError("the socket is closed") from None

    async def receive(self) -> bytes:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise LinkDownError("the socket is closed")
        return wire.encode_frame(wire.decode_json_to_worker(message.data.encode()))

    async def close(self) -> None:
        await self._socket.close()


class JsonDialer:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def dial(self) -> Link:
        return JsonEnd(await self._session.ws_connect(self._url + wire.PATH, protocols=[wire.JSON_SUBPROTOCOL]))


def _as_json(message: Any) -> Any:
    match message:
        case wire.Succeeded(outputs=outputs):
            return replace(message, outputs={port: _value(each) for port, each in outputs.items()})
        case wire.Chunk(items=items):
            return replace(message, items=tuple([_text(each) for each in items]))
        case _:
            return message


def _value(value: Value) -> Value:
    return Inline(_text(value.data), Encoding.JSON) if isinstance(value, Inline) else value


def _text(data: bytes) -> bytes:
    return msgspec.json.encode(msgspec.msgpack.decode(data))


@workflow
def sums(numbers: list[int]) -> list[int]:
    return map_over(add, numbers)


@pytest.fixture
async def client(served: Mill) -> AsyncIterator[AsyncClient]:
    async with (
        aiohttp.ClientSession() as session,
        served.worker(media, dialer=JsonDialer(served.url, session)),
        AsyncClient(served.url) as made,
    ):
        yield made


async def test_values_of_every_kind_come_and_go(client: AsyncClient) -> None:
    assert await (await client.submit(add, 1)).result() == 3
    assert await (await client.submit(echo, bytes(range(256)))).result() == bytes(range(256))
    assert await (await client.submit(echo, b"\xff" * 100_000)).result() == b"\xff" * 100_000
    assert await (await client.submit(price, Order("tea", 2))).result() == 5.0
    assert await (await client.submit(count, 600)).result() == list(range(600))
    assert await (await client.submit(sums, list(range(300)))).result() == [n + 2 for n in range(300)]


async def test_files_and_failures_come_and_go(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"loud")
    made = await (await client.submit(shout, File(tmp_path / "a.txt"))).result()
    assert (made.name, made.size) == ("loud.txt", 4)
    run = await client.submit(broken, "not today")
    with pytest.raises(Exception, match="not today"):
        await run.result()
