"""How long a worker waits before it dials again."""

import asyncio
from pathlib import Path

import pytest

from tests.worker.scripted import Bench
from tidemill import Worker
from tidemill.worker.settings import Reconnect

idle = Worker("idle")


@idle.task
def nap() -> None:
    pass


@pytest.mark.parametrize(
    ("away_s", "chance", "delay_s"),
    [(0.0, 0.0, 0.2), (1.0, 0.0, 0.2), (5.0, 0.0, 0.5), (5.0, 1.0, 0.25), (60.0, 0.0, 6.0), (1e9, 0.0, 15.0)],
)
def test_a_tenth_of_the_outage_is_waited_and_less_by_chance(away_s: float, chance: float, delay_s: float) -> None:
    assert Reconnect().delay(away_s, chance) == pytest.approx(delay_s)


async def test_a_server_that_dies_now_and_then_is_dialled_at_once_each_time(tmp_path: Path) -> None:
    """Were its outages added up, the waits would be 1, 12 and 130 s."""
    reconnect = Reconnect(first_s=0.001, most_s=1000.0, part=10.0, steady_s=0.05)
    async with asyncio.timeout(30), Bench(tmp_path, idle, reconnect=reconnect).running() as server:
        for _ in range(5):
            await server.accept()
            await asyncio.sleep(0.1)  # the session is steady
            await server.hang_up()
