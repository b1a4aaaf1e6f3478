"""Our client for two servers: one `AsyncClient` for each, in turn."""

from itertools import cycle

from benchmarks.systems.tidemill_client import TidemillClient
from tidemill.client.remote import AsyncRun


class PairClient(TidemillClient):
    """What is not measured with two servers goes to the first."""

    def __init__(self, *urls: str) -> None:
        super().__init__(urls[0])
        self._others = [TidemillClient(url) for url in urls[1:]]
        self._turns = cycle([super().start, *(other.start for other in self._others)])

    async def open(self) -> None:
        await super().open()
        for other in self._others:
            await other.open()

    async def start(self) -> AsyncRun[int]:
        return await next(self._turns)()

    async def close(self) -> None:
        for other in self._others:
            await other.close()
        await super().close()


def connect(address: str) -> PairClient:
    return PairClient(*address.split(","))
