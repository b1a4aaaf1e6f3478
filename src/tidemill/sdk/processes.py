"""`Processes`: how a worker keeps the child processes in which its tasks run."""

from dataclasses import dataclass

from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.options import Seconds, seconds


@dataclass(frozen=True)
class Processes:
    """Limits of the processes that run a worker's ``Backend.PROCESS`` tasks.

    A process that has reached a limit is replaced by a new one after its task, never during it.

    Args:
        count: processes kept warm, and attempts at once of such tasks that name no pool; None: as many as the machine
            has cores.
        recycle_after: tasks that one process runs.
        max_age: of one process, in seconds; None: no limit.
        max_memory_mib: that a process may hold after a task; None: no limit.
    """

    count: int | None = None
    recycle_after: int = 10_000
    max_age: Seconds | None = None
    max_memory_mib: int | None = None

    def __post_init__(self) -> None:
        """Raises DefinitionError for a limit that is not above zero."""
        limits = {
            "count": self.count,
            "recycle_after": self.recycle_after,
            "max_age": self.max_age_s,
            "max_memory_mib": self.max_memory_mib,
        }
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise DefinitionError(f"Processes({name}=…) is {limit!r}; it must be above zero")

    @property
    def max_age_s(self) -> float | None:
        return seconds(self.max_age)
