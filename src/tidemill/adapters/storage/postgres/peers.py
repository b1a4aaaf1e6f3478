"""What servers on one database know of each other: a look each second, and words by NOTIFY.

One connection does both. A word is `<id of the sender> <JSON>`; longer ones are sent in several.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace

from tidemill.adapters.storage.postgres.access import PEERS, Access
from tidemill.adapters.storage.postgres.connection import Line, Meter
from tidemill.adapters.storage.statements import statements
from tidemill.ports.peers import Duty, Kind, Look, News
from tidemill.ports.store import StoreLostError

LEASE_US = 3_000_000
DUTY_US = 2_000_000  # who takes over does so at a look after its end: within 3 s
_FORGOTTEN_US = 3_600_000_000  # a server that is dead for so long leaves no trace
_TIDY_EVERY = 600  # looks
_ENDED = 120  # runs in one word: it may have 8,000 bytes

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(News).decode


class PostgresPeers:
    """``id`` is made anew with each start."""

    def __init__(self, access: Access, server: bytes, meter: Meter) -> None:
        self.id = server
        self._channel = f"tidemill {access.options.schema}"
        self._sql = statements("postgres/sql/peers")
        self._line = Line(access, PEERS, meter, self._listen)
        self._turn = asyncio.Lock()  # of the connection
        self._words: list[News] = []
        self._bell = asyncio.Event()
        self._others = 0
        self._looks = 0

    @property
    def are_none(self) -> bool:
        """As the last look said; who came since then is known a second later."""
        return self._looks > 0 and self._others == 0

    async def look(self) -> Look:
        ((at, others, duties, kinds, epochs, *rest),) = await self._fetch("look", self.id, LEASE_US, DUTY_US)
        self._others = others
        self._looks += 1
        if self._looks % _TIDY_EVERY == 0 and duties:
            await self._fetch("tidy", _FORGOTTEN_US)
        written, next_due_at, queued, noted, orphans = rest
        held = frozenset(duty for duty in Duty if duty.value in duties)
        seen = {kind: number for kind in Kind for name, number in zip(kinds, epochs, strict=True) if kind.value == name}
        return Look(at, others, held, seen, written, next_due_at, queued, noted, orphans)

    async def tell(self, news: News) -> None:
        if self._others:
            for part in _parts(news):
                await self._fetch("tell", self._channel, f"{self.id.hex()} {_encode(part).decode()}")

    async def heard(self) -> Sequence[News]:
        async with self._turn:
            await self._line.ready()
        while not self._words:
            if not self._line.is_open:
                raise StoreLostError("the line on which other servers tell what they do was lost")
            self._bell.clear()
            await self._bell.wait()
        words, self._words = self._words, []
        return words

    async def leave(self) -> None:
        await self._fetch("leave", self.id)

    async def close(self) -> None:
        await self._line.close()

    async def _fetch(self, name: str, *bound: object) -> list[Any]:
        async with self._turn:
            await self._line.ready()
            return await self._line.fetch(self._sql[name], *bound)

    async def _listen(self, connection: Any) -> None:
        connection.add_termination_listener(lambda _: self._bell.set())
        await connection.add_listener(self._channel, self._hear)

    def _hear(self, _connection: object, _process: int, _channel: str, word: str) -> None:
        sender, _, text = word.partition(" ")
        if sender != self.id.hex():
            self._words.append(_decode(text))
            self._bell.set()


def _parts(news: News) -> Iterator[News]:
    """The same in words that are short enough."""
    ended = iter(news.ended)
    yield replace(news, ended=tuple(islice(ended, _ENDED)))
    while part := tuple(islice(ended, _ENDED)):
        yield News(ended=part)
