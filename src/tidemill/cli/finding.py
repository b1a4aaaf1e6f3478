"""Servers that run already: the one that was named, the one of the data folder, the one at the usual place."""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from tidemill.assembly.address import read_address
from tidemill.assembly.settings import Settings
from tidemill.assembly.signals import Ends
from tidemill.client.errors import ServerUnreachableError
from tidemill.client.remote import AsyncClient
from tidemill.core.errors import TidemillError, UnavailableError
from tidemill.wire.api import Health

PROBE_S = 2.0


class Stay(Enum):
    STAYS = auto()  # until a person ends it
    PASSES = auto()  # it ends with the command that started it


@dataclass(frozen=True)
class Found:
    url: str
    stay: Stay

    def page_of(self, run: str) -> str:
        """The line that says where the run is to be seen."""
        how_long = ", while this runs" if self.stay is Stay.PASSES else ""
        return f"live page{how_long}: {self.url}/runs/{run}"


async def find_server(settings: Settings) -> Found | None:
    """The server that was named; else one that runs already, on the data folder or at the usual place.

    Raises:
        UnavailableError: the one that was named does not answer.
    """
    if not settings.url:
        found = await find_of_folder(settings.data)
        return found or (Found(settings.server_url, Stay.STAYS) if await answers(settings.server_url) else None)
    try:
        await _health_at(settings.server_url)
    except ServerUnreachableError as error:
        raise UnavailableError(f"{error.fact}. Without --url and TIDEMILL_URL, a server is started for you") from None
    return Found(settings.server_url, Stay.STAYS)


async def find_of_folder(data: Path) -> Found | None:
    """The server on this data folder, and not of somebody who has its port by now."""
    last = read_address(data)
    if last is None or (health := await answers(last.url)) is None or health.store != last.store:
        return None
    return Found(last.url, Stay.PASSES if last.ends is Ends.WITH_PARENT else Stay.STAYS)


async def answers(url: str) -> Health | None:
    """What a Tidemill server says there; None when there is none."""
    try:
        return await _health_at(url)
    except TidemillError:
        return None


async def _health_at(url: str) -> Health:
    async with AsyncClient(url) as client:
        try:
            async with asyncio.timeout(PROBE_S):
                return await client.health()
        except TimeoutError:
            raise ServerUnreachableError(url, f"no answer within {PROBE_S:.0f} s") from None
