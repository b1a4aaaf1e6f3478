"""The rows of one run, as a decision reads and changes them."""

from datetime import timedelta

from msgspec.structs import replace

from tidemill.core.graph import FINALLY, UNDO, JoinNode, Rest, TaskNode
from tidemill.core.ids import Path
from tidemill.core.overlay import Draft
from tidemill.core.plan import Layout, Place, scope_path
from tidemill.core.resolve import Resolver
from tidemill.core.retry import Policy, policy_of
from tidemill.core.rows import Entry
from tidemill.core.run import MOVING, Blocked, Cancelling, Phase, Run, RunState, Step, StepSucceeded
from tidemill.core.scopes import MachineScope, Scope

_MICROSECOND = timedelta(microseconds=1)


def after(at: int, delay: timedelta) -> int:
    return at + delay // _MICROSECOND


def _is_final(path: Path) -> bool:
    """Whether a path lies in what runs at the end."""
    return path.startswith(FINALLY)


def _is_at_its_end(state: RunState) -> bool:
    return isinstance(state, Cancelling) and state.phase is Phase.FINALLY


def may_move(run: Run, path: Path) -> bool:
    """Whether a step of a run may go on: all while it runs, and at its end what belongs there."""
    state = run.state
    if path.endswith(UNDO):
        return isinstance(state, Cancelling) and state.phase is Phase.UNDOING
    return isinstance(state, MOVING) or (_is_final(path) and _is_at_its_end(state))


class Ground:
    """The rows of one run as a decision reads and changes them."""

    def __init__(self, draft: Draft, run: Run) -> None:
        self.draft = draft
        self.id = run.id
        self.layout: Layout = draft.layout(run.graph)
        self.resolver = Resolver(draft, run.id, self.layout)

    @property
    def run(self) -> Run:
        run = self.draft.run(self.id)
        assert run is not None  # noqa: S101  # a mover is made from it
        return run

    def count(self, *, live: int = 0, done: int = 0, failed: int = 0) -> None:
        run = self.run
        self.draft.put_run(replace(run, live=run.live + live, done=run.done + done, failed=run.failed + failed))

    def note(self, kind: str, path: Path = "", number: int = 0, **detail: object) -> None:
        self.draft.note(self.id, Entry(kind, path, number, detail))

    def step(self, path: Path) -> Step:
        return self.draft.step(self.id, path) or Step(self.id, path, Blocked(0))

    def set_step(self, step: Step) -> None:
        self.draft.put_step(step)

    def graph_scope(self, path: Path) -> Scope:
        scope = self.draft.scope(self.id, path)
        assert isinstance(scope, Scope)  # noqa: S101  # opened before its steps
        return scope

    def machine_scope(self, path: Path) -> MachineScope:
        scope = self.draft.scope(self.id, path)
        assert isinstance(scope, MachineScope)  # noqa: S101  # opened before its visits
        return scope

    def is_dead(self, scope: Path) -> bool:
        """Whether nothing may open in a scope any more: the run is ending, or a scope around it failed."""
        state = self.run.state
        if not isinstance(state, MOVING) and not (_is_final(scope) and _is_at_its_end(state)):
            return True
        while True:
            place = self.layout.scope(scope)
            if not place.machine and self.graph_scope(scope).failure is not None:
                return True
            if scope in ("", FINALLY):
                return False
            if self.is_over(place):
                return True
            scope = place.outer

    def is_dead_step(self, path: Path) -> bool:
        """Whether what becomes of a step changes nothing any more."""
        if path.endswith(UNDO):
            return not may_move(self.run, path)
        return self.is_dead(scope_path(path))

    def is_over(self, place: Place) -> bool:
        """Whether the step that a scope belongs to is final; arms that a join has left go on after it."""
        step = self.step(place.step)
        is_left = isinstance(place.node, JoinNode) and place.node.rest is Rest.LEAVE
        return step.is_final and not (is_left and isinstance(step.state, StepSucceeded))

    def policy(self, node: TaskNode, implementation: str = "") -> Policy:
        catalog = self.draft.catalog
        known = catalog.variant(node.task, node.schema, implementation) if implementation else None
        return policy_of(node, known or catalog.find(node.task, node.schema), self.run.priority)
