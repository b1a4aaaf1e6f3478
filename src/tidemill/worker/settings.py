"""How one worker process behaves; assembly reads it from the environment."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tidemill.core.definitions import Pools
from tidemill.core.requirements import Capability


class Keep(Enum):
    """What becomes of an attempt's private folder."""

    UNTIL_ACCEPTED = "until_accepted"
    FOR_EVER = "for_ever"


@dataclass(frozen=True)
class Reconnect:
    """Delays between attempts to connect, in seconds.

    A part of the time for which the server has been away: after a restart its workers are back at once, and one that is
    gone for hours is not pestered. From ``first_s`` up to ``most_s``, then jittered.
    """

    first_s: float = 0.2
    most_s: float = 15.0
    part: float = 0.1
    spread: float = 0.5  # of a delay, this part is chance
    steady_s: float = 1.0  # a session that lasted this long, from its welcome, starts from the first delay again

    def delay(self, away_s: float, chance: float) -> float:
        """Seconds before the next try, when there was no steady session for ``away_s``; ``chance`` is from 0 to 1."""
        whole = min(max(self.first_s, self.part * away_s), self.most_s)
        return whole * (1 - self.spread * chance)


@dataclass(frozen=True)
class WorkerSettings:
    """Lengths of time in seconds.

    Args:
        name: the worker's id; survives a restart, and no two live workers share it.
        folder: where the Disk port writes the spool; private folders and fetched files lie in it too.
    """

    name: str
    folder: Path
    pools: Pools = field(default_factory=lambda: Pools(total=100))
    keep: Keep = Keep.UNTIL_ACCEPTED
    reconnect: Reconnect = field(default_factory=Reconnect)
    answer_s: float = 10.0  # a server that takes longer to welcome is tried again
    grace_s: float = 5.0  # between asking an attempt to stop and giving it up, where the server says nothing
    drain_s: float = 30.0  # for what runs, once no more is taken
    farewell_s: float = 5.0  # for the last acknowledgements
    spool_after_s: float = 1.0  # a result that took longer to make is written to disk
    spool_bytes: int = 256 * 1024 * 1024
    blocked_s: float = 3.0  # the user loop makes no turn: say whose fault it is
    register_s: float | None = None  # a worker that was not welcomed by then ends; None: it tries for ever
    stuck_s: float = 300.0  # an attempt without a sign of life for this long is reported
    abandoned: int = 4  # bodies that cannot be stopped; then the worker drains
    labels: dict[str, str] = field(default_factory=dict)
    offers: Capability = field(default_factory=Capability)
    version: str = ""
    host: str = ""
    environment: str = ""  # digest of the one that it runs in
    pid: int = 0
