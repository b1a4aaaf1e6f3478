"""Links that break at random: nothing is lost, nothing is told twice in two ways, streams have no gap."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.worker.scripted import STORE, Bench, ScriptedServer, assign, given, value_of
from tidemill.core.definitions import Pools
from tidemill.core.values import Streamed
from tidemill.ports.link import LinkDownError
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
STEPS = 120


@w.task
async def later(x: int) -> int:
    await asyncio.sleep(x % 7 / 1000)
    return x


@w.task
def in_a_thread(x: int) -> int:
    time.sleep(x % 5 / 1000)
    return x


@w.stream
def items(x: int) -> Iterator[int]:
    yield from range(x)


class Book:
    """What a server would record."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        tasks = [(chance.choice(["w.later", "w.in_a_thread", "w.items"]), chance.randrange(700)) for _ in range(STEPS)]
        self.wanted = {f"s{n}": each for n, each in enumerate(tasks)}
        self.waiting, self.sent = list(self.wanted), dict[str, None]()
        self.done: dict[str, None] = {}
        self.items: dict[str, list[int]] = {}
        self.granted = self.used = 0

    def welcome(self, hello: wire.Hello) -> wire.Welcome:
        listed = (*hello.held, *hello.unacknowledged)
        lost = self.sent.keys() - {each.path for each in listed}
        for path in sorted(lost):
            del self.sent[path]
            self.items.pop(path, None)
            self.waiting.append(path)
        self.granted = self.used = 0
        keep = tuple(each for each in listed if each.path in self.sent)
        return wire.Welcome("1.0", STORE, 5.0, 0.05, keep, tuple(each for each in listed if each not in keep))

    def answer(self, message: Any) -> list[Any]:
        match message:
            case wire.Credit(granted=granted):
                self.granted = granted[""]
            case wire.Chunk(attempt=attempt, first=first, items=chunk):
                known = self.items.setdefault(attempt.path, [])
                assert first <= len(known), "a gap"
                known[first:] = [msgspec.msgpack.decode(item) for item in chunk]
                return [wire.ChunkAck(attempt, len(known))]
            case wire.Succeeded(attempt=attempt) if self.chance.random() < 0.8:  # else it was not recorded
                self._check(message)
                self.done[attempt.path] = None
                self.sent.pop(attempt.path, None)
                return [wire.Ack((attempt,))]
            case wire.Heartbeat():
                raise LinkDownError("cut: it would only wait for what was not recorded")
            case wire.Failed() | wire.Released():
                raise AssertionError(message)
        return self._assignments()

    def _check(self, result: wire.Succeeded) -> None:
        path = result.attempt.path
        task, x = self.wanted[path]
        if task == "w.items":
            assert result.outputs == {"value": Streamed(1, x)}
            assert self.items.get(path, []) == list(range(x))
        else:
            assert value_of(result) == x

    def _assignments(self) -> list[Any]:
        found = []
        while self.waiting and self.used < self.granted:
            path = self.waiting.pop()
            task, x = self.wanted[path]
            found.append(assign(task, path, inputs=given(x=x)))
            self.sent[path] = None
            self.used += 1
        return found


async def speak(server: ScriptedServer, book: Book, frames: int) -> None:
    """Until so many frames have come, or all is done."""
    for _ in range(frames):
        if len(book.done) == STEPS:
            return
        messages = wire.decode_to_server(await server.link.receive())
        if answers := [answer for message in messages for answer in book.answer(message)]:
            await server.say(*answers)


@pytest.mark.feature("D12", "F3")
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_over_links_that_break(tmp_path: Path, seed: int) -> None:
    book = Book(random.Random(seed))
    async with Bench(tmp_path, w, pools=Pools(20)).running() as server:
        while len(book.done) < STEPS:
            welcome = book.welcome(await server.greeted())
            try:
                await server.say(welcome)
                await speak(server, book, book.chance.randrange(1, 100))
            except LinkDownError:
                pass
            await server.hang_up()
        assert (await server.greeted()).held == ()
