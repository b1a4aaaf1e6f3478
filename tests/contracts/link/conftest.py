"""Pairs of link ends: what one sends, the other receives."""

from collections.abc import AsyncIterator

import pytest

from tests.contracts.link.ws_peer import WsPeer
from tidemill.adapters.system.memory_link import link_pair
from tidemill.ports.link import Link

Pair = tuple[Link, Link]


@pytest.fixture(params=["memory", "websocket"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "memory":
        yield link_pair()
        return
    async with WsPeer() as peer:
        yield await peer.dialer().dial(), await peer.accept()
