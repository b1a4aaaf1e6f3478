"""How a running worker is: what `worker.status()` gives, and the health server's `/status`."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.core.requirements import Granted, Requirements, Resources


@dataclass(frozen=True)
class RunningAttempt:
    """An attempt that a worker has. Of inputs, short values are shown, and of others the size; secrets are hidden."""

    run: str
    path: str
    number: int
    task: str
    implementation: str
    state: str  # preparing, running, storing
    inputs: Mapping[str, str]
    requires: Requirements  # of the task; those of its use are known to the server
    granted: Granted | None


@dataclass(frozen=True)
class WorkerStatus:
    """A look at one moment; it may be taken from any thread."""

    id: str
    type: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    resources: Resources
    connected: bool
    draining: bool
    heard_s: float | None  # since the server was last heard, which then knew of all that it had confirmed
    held: int  # slots that are taken
    received: int  # attempts since it last connected
    unconfirmed: int  # results that the server has not confirmed yet
    free: int  # attempts that it could take now
    free_pools: Mapping[str, int]
    hot: Mapping[str, int]  # models in memory -> bytes, 0 where not known
    stuck: int  # of its attempts, how many give no sign of life
    phase: str  # of its start: what it does; "serving" once it was welcomed
    attempts: tuple[RunningAttempt, ...]

    @property
    def is_accepting(self) -> bool:
        return self.connected and not self.draining
