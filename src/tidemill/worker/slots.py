"""Credit: how many attempts the server may send, in all and per pool (engine.md, "Attempts, leases, sessions")."""

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

    @property
    def received(self) -> int:
        """Attempts since the welcome."""
        return self._received[ALL]

    @property
    def occupied(self) -> int:
        return self._occupied[ALL]

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
        free = 0 if self._is_closed else max(self._limits[pool] - self._occupied[pool], 0)
        return self._received[pool] + free

    def _count(self, counts: dict[str, int], pool: str, change: int) -> None:
        counts[ALL] += change
        if pool != ALL and pool in counts:
            counts[pool] += change
