"""Credit: how many attempts the server may send, in all and per pool (engine.md, "Attempts, leases, sessions")."""

import asyncio
from collections.abc import Iterable

from tidemill.core.definitions import Pools
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.invoke import AnyTask

ALL = ""  # the name of the total among the pools


def check_batches(tasks: Iterable[AnyTask], pools: Pools) -> None:
    """Raises DefinitionError for a task that gathers more calls than the worker holds at once."""
    for task in tasks:
        limit = min(pools.total, pools.limits.get(task.task_options.pool, pools.total))
        if task.batch is not None and task.batch.size > limit:
            raise DefinitionError(
                f"{task.name} gathers {task.batch.size} calls, and its worker holds {limit} at once: raise the "
                "concurrency (or the limit of its pool), or make the batch smaller"
            )


class Slots:
    """Counts what was received since the welcome and what occupies a slot; the totals granted follow from both.

    A task without a pool, or of a pool without a limit, counts only against the total.
    """

    def __init__(self, pools: Pools) -> None:
        self._limits = {**pools.limits, ALL: pools.total}
        self._received = dict.fromkeys(self._limits, 0)
        self._occupied = dict.fromkeys(self._limits, 0)
        self._granted: dict[str, int] = {}
        self._is_closed = False
        self._returning: list[tuple[str, asyncio.Future[None]]] = []  # attempts that want their slot back

    @property
    def received(self) -> int:
        """Attempts since the welcome."""
        return self._received[ALL]

    @property
    def occupied(self) -> int:
        return self._occupied[ALL]

    def room(self) -> dict[str, int]:
        """How many more it could take: in all (ALL), and per pool that has a limit."""
        return {pool: max(limit - self._occupied[pool], 0) for pool, limit in self._limits.items()}

    def restart(self) -> None:
        """A welcome: the totals count from here."""
        self._received = dict.fromkeys(self._limits, 0)
        self._granted = {}

    def receive(self, pool: str) -> None:
        self._count(self._received, pool, 1)

    def occupy(self, pool: str) -> None:
        self._count(self._occupied, pool, 1)

    def free(self, pool: str) -> None:
        self._count(self._occupied, pool, -1)
        self._let_back()

    def give_away(self, pool: str) -> None:
        """An attempt that waits for others lets one of them run instead."""
        self._count(self._occupied, pool, -1)
        self._let_back()

    async def take_back(self, pool: str) -> None:
        """Returns with a slot, first come, first served; what is free goes to these before new credit is granted."""
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._returning.append((pool, taken))
        self._let_back()
        try:
            await taken
        except asyncio.CancelledError:
            if taken.done() and not taken.cancelled():
                self.free(pool)
            self._returning = [each for each in self._returning if each[1] is not taken]
            raise

    def close(self) -> None:
        """Take nothing new: what is granted falls to what was received."""
        self._is_closed = True

    def owed(self) -> dict[str, int]:
        """The running totals, when they differ from what was granted last; else nothing."""
        totals = {pool: self._total(pool) for pool in self._limits}
        return totals if totals != self._granted else {}

    def grant(self) -> dict[str, int]:
        """The running totals that are now owed, and from now on granted."""
        if owed := self.owed():
            self._granted = owed
        return owed

    def _total(self, pool: str) -> int:
        returning = sum(pool in (ALL, each) for each, _ in self._returning) if self._returning else 0
        free = 0 if self._is_closed else max(self._limits[pool] - self._occupied[pool] - returning, 0)
        return self._received[pool] + free

    def _let_back(self) -> None:
        for each in [*self._returning]:
            pool, taken = each
            if self._has_room(ALL) and self._has_room(pool):
                self._returning.remove(each)
                self.occupy(pool)
                if not taken.done():
                    taken.set_result(None)

    def _has_room(self, pool: str) -> bool:
        return pool not in self._limits or self._occupied[pool] < self._limits[pool]

    def _count(self, counts: dict[str, int], pool: str, change: int) -> None:
        counts[ALL] += change
        if pool != ALL and pool in counts:
            counts[pool] += change
