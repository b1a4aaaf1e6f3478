"""Work off the loop: a wait, the work in one step of its process, a wait. A kill falls before, between or after."""

import asyncio
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeVar

from tidemill.testing.simulation.chance import Chance

T = TypeVar("T")
WAIT_S = 0.001


class Mood(Enum):
    """What befalls the next call."""

    FULL = "full"  # the disk refuses writes, so SQLite itself raises and rolls back
    UNSYNCED = "unsynced"  # the disk refuses to sync: the data may be there or not
    LOST = "lost"  # it is done, and says that it failed


_REFUSED = {Mood.FULL: "write", Mood.UNSYNCED: "sync", Mood.LOST: ""}


class SimThreads:
    """The Threads port of one process.

    Args:
        refuse: makes the disk refuse "write" or "sync" during a call; "" ends it.
        lost: the error of a call, by its name, whose success is hidden.
    """

    def __init__(self, chance: Chance, refuse: Callable[[str], None], lost: Callable[[str], Exception]) -> None:
        self.slow_s = 0.0
        self._moods: list[tuple[tuple[str, ...], Mood]] = []
        self._chance, self._refuse, self._lost = chance, refuse, lost

    def expect(self, mood: Mood, *prefixes: str) -> None:
        """The next call whose name starts with one of these gets ``mood``."""
        self._moods.append((prefixes, mood))

    async def call(self, name: str, function: Callable[[], T]) -> T:
        """As a real thread, it goes on when nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        loop.call_later(self._wait(), self._work, name, function, answer)
        return await answer

    def _work(self, name: str, function: Callable[[], T], answer: "asyncio.Future[T]") -> None:
        mood = self._mood_of(name)
        self._refuse(_REFUSED[mood] if mood else "")
        try:
            tell = partial(answer.set_result, function())
            if mood is Mood.LOST:
                tell = partial(answer.set_exception, self._lost(name))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            tell = partial(answer.set_exception, error)
        finally:
            self._refuse("")
        asyncio.get_running_loop().call_later(self._wait(), lambda: None if answer.done() else tell())

    def _mood_of(self, name: str) -> Mood | None:
        for entry in self._moods:
            if name.startswith(entry[0]):
                self._moods.remove(entry)
                return entry[1]
        return None

    def _wait(self) -> float:
        return self._chance() * (WAIT_S + self.slow_s)
