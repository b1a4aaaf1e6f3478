"""Work off the loop, and what may befall it."""

import asyncio

import pytest

from tests.simulation.test_loop import run
from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.threads import Mood, SimThreads


def threads(refused):
    return SimThreads(stream("0", "threads"), refused.append, lambda name: OSError(f"hidden {name}"))


def test_a_call_takes_time_and_gives_its_result():
    async def main():
        assert await threads([]).call("blob.read", lambda: 7) == 7
        assert 0 < asyncio.get_running_loop().time() < 0.01

    run(main())


def test_an_error_reaches_the_caller():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await threads([]).call("blob.read", lambda: 1 // 0)

    run(main())


def test_a_mood_befalls_one_call_of_its_name():
    async def main():
        done, refused = [], []
        ours = threads(refused)
        ours.expect(Mood.LOST, "store.")
        await ours.call("blob.write", lambda: done.append("blob"))
        with pytest.raises(OSError, match="hidden"):
            await ours.call("store.commit", lambda: done.append("commit"))
        await ours.call("store.commit", lambda: done.append("again"))
        assert done == ["blob", "commit", "again"]

    run(main())


def test_the_disk_refuses_during_a_call_only():
    async def main():
        refused = []
        ours = threads(refused)
        ours.expect(Mood.FULL, "store.")
        await ours.call("store.commit", lambda: refused.append("work"))
        assert refused == ["write", "work", ""]

    run(main())


def test_a_call_goes_on_when_its_caller_is_cancelled():
    async def main():
        done = []
        ours = threads([])
        ours.slow_s = 10
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await ours.call("store.commit", lambda: done.append("commit"))
        await asyncio.sleep(20)
        assert done == ["commit"]

    run(main())
