"""Dialling, and the ways in which it fails."""

import asyncio
import socket

import pytest

from tests.contracts.link.ws_peer import SUBPROTOCOL, WsPeer
from tidemill.adapters.system.ws_link import WsAddress, WsDialer
from tidemill.ports.link import LinkDownError, LinkRefusedError


async def test_the_dialer_says_its_subprotocol_and_headers() -> None:
    async with WsPeer() as peer:
        link = await peer.dialer().dial()
        assert peer.headers["Sec-WebSocket-Protocol"] == "tidemill.v1+msgpack"
        assert peer.headers["Authorization"] == "Bearer abc"
        await link.close()


@pytest.mark.parametrize("body", [b"no such token", b'{"title": "Forbidden", "detail": "no such token"}'])
async def test_a_refusal_gives_its_reason(body: bytes) -> None:
    async with WsPeer(refusal=(403, body)) as peer:
        with pytest.raises(LinkRefusedError, match=r"403: no such token$"):
            await peer.dialer().dial()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_that_passes_is_worth_another_try(status: int) -> None:
    async with WsPeer(refusal=(status, b"later")) as peer:
        with pytest.raises(LinkDownError, match="later"):
            await peer.dialer().dial()


async def test_a_peer_of_another_subprotocol_is_refused() -> None:
    async with WsPeer(subprotocol="tidemill.v9+msgpack") as peer:
        with pytest.raises(LinkRefusedError, match=r"does not speak tidemill\.v1"):
            await peer.dialer().dial()


async def test_nobody_there_is_worth_another_try() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = WsAddress(f"ws://127.0.0.1:{unused.getsockname()[1]}/", "tidemill.v1+msgpack", 1024)
        with pytest.raises(LinkDownError, match="cannot reach"):
            await WsDialer(address).dial()


async def test_a_connection_that_breaks_in_the_handshake_is_worth_another_try() -> None:
    """As that of a proxy whose server is away."""

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = WsAddress(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", "tidemill.v1+msgpack", 1024)
    with pytest.raises(LinkDownError, match="the connection broke"):
        await WsDialer(address).dial()
    server.close()


async def test_silence_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = WsAddress(f"ws://127.0.0.1:{silent.getsockname()[1]}/", "tidemill.v1+msgpack", 1024, {}, 0.05)
        with pytest.raises(LinkDownError):
            await WsDialer(address).dial()


async def test_a_bad_address_is_refused() -> None:
    with pytest.raises(LinkRefusedError):
        await WsDialer(WsAddress("http://127.0.0.1:1/", "tidemill.v1+msgpack", 1024)).dial()


async def test_a_frame_above_the_limit_ends_the_link() -> None:
    async with WsPeer() as peer:
        link = await peer.dialer(limit=1000).dial()
        await (await peer.accept()).send(b"x" * 1001)
        with pytest.raises(LinkDownError):
            await link.receive()


async def test_of_several_addresses_the_next_one_is_tried() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = WsAddress(f"ws://127.0.0.1:{unused.getsockname()[1]}/", SUBPROTOCOL, 1024)
        async with WsPeer() as peer:
            dialer = WsDialer(nobody, WsAddress(f"ws://127.0.0.1:{peer.port}/worker/v1", SUBPROTOCOL, 1024))
            for _ in range(2):
                link = await dialer.dial()
                await link.close()
