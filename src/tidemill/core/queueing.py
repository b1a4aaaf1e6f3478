"""What a run leaves for later: steps in their lanes, values to be fetched, parts to be stopped."""

from msgspec.structs import replace

from tidemill.core import lanes
from tidemill.core.ending import Ending
from tidemill.core.graph import TaskNode
from tidemill.core.ground import after
from tidemill.core.ids import Path
from tidemill.core.requirements import key_of
from tidemill.core.retry import ALONE_AFTER, Policy
from tidemill.core.rows import Lane, LaneRow, Queued, Timer, TimerKind
from tidemill.core.run import Blocked, Paused, Ready, Step, Waiting


class Queueing(Ending):
    """Of one run, on one draft."""

    def make_ready(self, step: Step, node: TaskNode) -> None:
        """Put a step into its lane; what it was before is over."""
        policy = self.policy(node)
        at = self.draft.at
        lane = self._lane(node.task, policy, lanes.ALONE if step.losses >= ALONE_AFTER else "")
        is_paused = isinstance(self.run.state, Paused)
        self.draft.ready[self.id, step.path] = Queued(
            lane=lanes.paused_lane(self.id) if is_paused else lane,
            order=lanes.place_in_lane(at, policy.priority),
            run=self.id,
            path=step.path,
            expires_at=after(at, policy.queue),
            home=lane if is_paused else b"",
        )
        if isinstance(step.state, Blocked):
            self.count(live=1)
        self.set_step(replace(step, state=Ready(at)))

    def _lane(self, task: str, policy: Policy, alone: str) -> Lane:
        requires = key_of(policy.requires)
        lane = lanes.lane_of(task, policy.schema, alone, requires)
        if policy.requires is not None and requires and lane not in self.draft.over.lanes_known:
            self.draft.lanes[lane] = LaneRow(lane, task, policy.schema, alone, policy.requires)
        return lane

    def fetch(self, path: Path) -> None:
        """Ask for large values, by a timer, so that a crash does not forget it."""
        self.set_step(replace(self.step(path), state=Waiting(fetching=True)))
        self.draft.timers_put.append(Timer(self.id, path, TimerKind.FETCH, self.draft.at))

    def stop_below(self, path: Path) -> None:
        """What still lives below ``path`` is stopped; nobody waits for it any more."""
        self.draft.timers_put.append(Timer(self.id, path, TimerKind.SWEEP, self.draft.at))
        if not self.run.has_leftovers:
            self.draft.put_run(replace(self.run, has_leftovers=True))
