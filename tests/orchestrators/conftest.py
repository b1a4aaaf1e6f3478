"""Two servers on one PostgreSQL, each with its own way to it, in one process; joined by real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.orchestrators.parts import on_postgres
from tests.postgres import postgres_server, postgres_url
from tests.server.mill import Mill, mill
from tidemill.engine.together import EngineSettings

__all__ = ["pair", "postgres_server", "postgres_url"]

SETTINGS = EngineSettings(lease=timedelta(seconds=3), heartbeat=timedelta(seconds=0.5))

Pair = tuple[Mill, Mill]


@pytest.fixture
async def pair(postgres_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(mill(tmp_path, parts=on_postgres(postgres_url), settings=SETTINGS))
            for _ in range(2)
        ]
        while not all(each.engine.neighbours.others for each in (first, second)):  # noqa: ASYNC110 - they look each second
            await asyncio.sleep(0.02)
        yield first, second
