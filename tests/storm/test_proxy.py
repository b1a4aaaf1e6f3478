"""The proxy does to connections what it says, and nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.storm.proxy import HOLE, HOST, End, Proxy, Way, Weather

BOUND_S = 30.0


@dataclass
class Echo:
    """A server that answers what it hears."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    ended: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    callers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def call(self, proxy: Proxy) -> "Caller":
        caller = Caller(*await asyncio.open_connection(HOST, proxy.port))
        self.callers.append(caller.writer)
        return caller

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(4096):
                self.heard += data
                writer.write(data)
                await writer.drain()
            self.ended.append("end")
        except OSError:
            self.ended.append("reset")
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(BOUND_S):
            yield echo
    finally:
        server.close()
        for writer in (*echo.writers, *echo.callers):
            writer.transport.abort()


@dataclass
class Caller:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    async def flood(self) -> None:
        while True:
            self.writer.write(b"x" * 100_000)
            await self.writer.drain()


async def until(holds: object) -> None:
    while not holds():  # type: ignore[operator]  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_in_fair_weather_all_bytes_and_both_ends_pass() -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        data = bytes(range(256)) * 2000
        assert await caller.say(data) == data
        caller.writer.write_eof()
        assert await caller.reader.read() == b""
        await until(lambda: echo.ended == ["end"])
        await until(lambda: not proxy.connections)


async def test_latency_is_added_and_order_stays() -> None:
    async with echoing() as echo, Proxy([echo.port], "seed") as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        proxy.set(Weather(up=Way(delay_s=0.05, jitter_s=0.1), down=Way(delay_s=0.05)))
        now = asyncio.get_running_loop().time
        began = now()
        for number in range(20):
            caller.writer.write(bytes([number]))
            await asyncio.sleep(0)
        assert await caller.reader.readexactly(20) == bytes(range(20))
        assert now() - began >= 0.1


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_hole_in_one_direction_lets_the_other_pass_and_keeps_the_bytes(way: str) -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        proxy.set(Weather(**{way: HOLE}))
        caller.writer.write(b"lost?")
        if way == "down":
            await until(lambda: echo.heard.endswith(b"lost?"))
        else:
            echo.writers[0].write(b"hello")
            assert await caller.reader.readexactly(5) == b"hello"
        answer = asyncio.create_task(caller.reader.readexactly(5))
        await asyncio.sleep(0.05)
        assert not answer.done()
        proxy.set(Weather())
        assert await answer == b"lost?"


async def test_a_reset_is_heard_at_both_ends() -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await caller.reader.readexactly(1)
        await until(lambda: echo.ended == ["reset"])
        assert await (await echo.call(proxy)).say(b"again") == b"again"


@pytest.mark.parametrize("gone", End)
async def test_an_end_that_is_gone_leaves_the_other_one_waiting(gone: End) -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        proxy.half_open(gone)
        if gone is End.TARGET:
            await until(lambda: echo.ended == ["reset"])
            caller.writer.write(b"anybody?")
            await caller.writer.drain()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await caller.reader.readexactly(1)
        else:
            with pytest.raises(ConnectionResetError):
                await caller.reader.readexactly(1)
            await asyncio.sleep(0.1)
            assert echo.ended == []
        assert proxy.connections == 1


async def test_refused_connections_are_reset_and_open_ones_go_on() -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        spell = asyncio.create_task(proxy.spell(Weather(refuses=True), 0.2))
        await until(lambda: proxy.weather.refuses)
        other = await echo.call(proxy)
        with contextlib.suppress(ConnectionResetError):
            assert await other.reader.read() == b""
        assert await caller.say(b"still") == b"still"
        await spell
        assert await (await echo.call(proxy)).say(b"again") == b"again"


async def test_a_narrow_line_takes_its_time() -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        proxy.set(Weather(up=Way(bytes_per_s=200_000)))
        now = asyncio.get_running_loop().time
        began = now()
        await caller.say(b"x" * 40_000)
        assert now() - began >= 0.1


async def test_a_slow_reader_is_felt_by_the_sender() -> None:
    async with echoing() as echo, Proxy([echo.port]) as proxy:
        caller = await echo.call(proxy)
        await caller.say(b"warm")
        proxy.set(Weather(up=HOLE))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.flood(), 0.5)


async def test_a_target_that_is_gone_is_passed_over() -> None:
    async with echoing() as echo, echoing() as other, Proxy([echo.port, other.port, 1]) as proxy:
        callers = [await echo.call(proxy) for _ in range(9)]
        for number, caller in enumerate(callers):
            assert await caller.say(bytes([number])) == bytes([number])
        assert len(echo.heard) >= 3
        assert len(other.heard) >= 3
