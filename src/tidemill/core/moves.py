"""How a run moves through its graph: scopes open, nodes begin and end, scopes close. Used by `core.decide`.

```text
open_scope ── begin each root ──► task: ready │ map: elements │ loop: a round │ branch: judge, an arm │ call: its scope
node_done  ── one less pending; feed the nodes that wait for it ──► scope_done ──► its step is done, outwards
node_failed ── its scope is dead ──► a map takes it (skip, collect) │ outwards, to the run
```
A scope with a failure is dead: nothing opens in it or below it any more; what runs there still reports.
"""

from collections import deque

from msgspec.structs import replace

from tidemill.core.beginning import begin_task, start_wait
from tidemill.core.branches import judge
from tidemill.core.closing import close, final_done, final_failed, undone
from tidemill.core.errors import InternalError
from tidemill.core.graph import (
    FINALLY,
    UNDO,
    BranchNode,
    CallNode,
    ConstNode,
    ElementFailure,
    Final,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    OpNode,
    State,
    TaskNode,
    WaitNode,
)
from tidemill.core.ids import Path
from tidemill.core.joins import arm_done, arm_failed, begin_join
from tidemill.core.loops import begin_loop, round_done
from tidemill.core.machines import begin_machine, visit_done, visit_failed
from tidemill.core.maps import begin_map, element_done, element_failed
from tidemill.core.operating import begin_operation
from tidemill.core.overlay import Draft
from tidemill.core.plan import Place, join, scope_path
from tidemill.core.queueing import Queueing
from tidemill.core.run import (
    Blocked,
    Failed,
    Failure,
    Run,
    Step,
    StepFailed,
    StepSkipped,
    StepState,
    StepSucceeded,
    Waiting,
)
from tidemill.core.scopes import Scope, Visit
from tidemill.core.skips import absent_input, absent_output, is_rescued, node_left_out, scope_left_out
from tidemill.core.values import Inline, Source


class Mover(Queueing):
    """Moves one run, on one draft."""

    def __init__(self, draft: Draft, run: Run) -> None:
        super().__init__(draft, run)
        self.fetched: dict[tuple[Path, str], Inline] = {}
        self.feeding: set[Path] = set()  # maps and loops whose elements or rounds are being opened further up this call
        self.moves = 0  # scopes opened
        self.entering: list[tuple[Path, str]] = []  # machines, and the states that they enter
        self._fed_nodes: deque[tuple[Path, str]] = deque()  # a chain of nodes is walked, not climbed: stacks end
        self._is_walking = False

    # Opening ---------------------------------------------------------------------------------------

    def open_scope(self, path: Path, given: dict[str, Source] | None = None, visit: Visit | None = None) -> None:
        self.moves += 1
        place = self.layout.scope(path)
        if place.machine:
            begin_machine(self, path)
            return
        body = place.body
        self.draft.put_scope(Scope(self.id, path, pending=len(body.needs), given=given or {}, visit=visit))
        for name in body.roots:
            self.begin(path, name)
        if not body.needs:
            self.scope_done(path)

    def open_dead(self, path: Path, failure: Failure, visit: Visit) -> None:
        """A visit whose inputs cannot be found."""
        self.draft.put_scope(Scope(self.id, path, pending=0, failure=failure, visit=visit))
        self.note("step_failed", path, code=failure.code.value, message=failure.message)
        self.count(failed=1)
        visit_failed(self, self.layout.scope(path), failure)

    def begin(self, scope: Path, name: str) -> None:  # noqa: C901  # one match over a union
        path = join(scope, name)
        node = self.layout.scope(scope).body.graph.nodes[name]
        if self.layout.rescues and (because := absent_input(self, scope, node)) is not None:
            self.node_skipped(path, because)
            return
        if isinstance(node, TaskNode):
            begin_task(self, path, node)
            return
        self.set_step(Step(self.id, path, Waiting()))
        match node:
            case MapNode():
                begin_map(self, path, node)
            case LoopNode():
                begin_loop(self, path, node)
            case JoinNode():
                begin_join(self, path, node)
            case BranchNode():
                judge(self, path, node)
            case CallNode() | MachineNode():
                self.open_scope(path)
            case WaitNode():
                start_wait(self, path, node)
            case OpNode():
                begin_operation(self, path, node)
            case ConstNode():
                raise InternalError(f"{path!r} is a constant, and never begins")

    def close(self) -> None:
        close(self)

    # Ending ----------------------------------------------------------------------------------------

    def node_done(self, path: Path, state: StepSucceeded) -> None:
        """A node has its outputs."""
        self.settle(path, state)

    def map_done(self, path: Path, skipped: Path) -> None:
        """All elements of a map are over; ``skipped`` is why one of them gives nothing."""
        if skipped:
            node_left_out(self, path, skipped)
        else:
            self.node_done(path, StepSucceeded())

    def node_skipped(self, path: Path, because: Path) -> None:
        """A node is left out, since what it needs comes from a step that failed and might."""
        self.note("step_skipped", path, because=because)
        self.settle(path, StepSkipped(because))

    def settle(self, path: Path, state: StepState) -> None:
        """A node is over, and its graph goes on: tell those that wait for it."""
        if path.endswith(UNDO):
            undone(self, path, state)
            return
        self.set_step(replace(self.step(path), state=state))
        name = path.rpartition("/")[2]
        scope_at = scope_path(path)
        body = self.layout.scope(scope_at).body
        for fed in body.feeds[name]:
            self._feed(scope_at, fed, body.needs[fed])
        self._one_less(scope_at)
        self._walk()

    def left_over(self, path: Path) -> None:
        """An arm that the join at ``path`` had left is over."""
        if not self.is_dead(scope_path(path)):
            self._one_less(scope_path(path))

    def _one_less(self, path: Path) -> None:
        scope = self.graph_scope(path)
        self.draft.put_scope(replace(scope, pending=scope.pending - 1))
        if scope.pending == 1:
            self.scope_done(path)

    def _feed(self, scope: Path, name: str, needs: int) -> None:
        path = join(scope, name)
        row = self.draft.step(self.id, path) if needs > 1 else None
        missing = (row.state.missing if row and isinstance(row.state, Blocked) else needs) - 1
        self.set_step(Step(self.id, path, Blocked(missing)))
        if not missing:
            self._fed_nodes.append((scope, name))

    def _walk(self) -> None:
        """Begin the nodes that have all they waited for."""
        if self._is_walking:
            return
        self._is_walking = True
        while self._fed_nodes:
            scope, name = self._fed_nodes.popleft()
            if not self.is_dead(scope):
                self.begin(scope, name)
        self._is_walking = False

    def scope_done(self, path: Path) -> None:
        if not path:
            self.end_well()
            return
        place = self.layout.scope(path)
        if self.layout.rescues and (because := absent_output(self, path, place)) is not None:
            scope_left_out(self, place, path, because)
            return
        match place.node:
            case MapNode():
                element_done(self, place.step)
            case LoopNode():
                round_done(self, place, path)
            case JoinNode():
                arm_done(self, place)
            case State():
                visit_done(self, path)
            case Final():
                final_done(self)
            case _:
                self.node_done(place.step, StepSucceeded(self.resolver.status_of_body(path), arm=place.arm))

    def node_failed(self, path: Path, failure: Failure, number: int = 0) -> None:
        """A node has failed for good. Its scope is dead; the failure goes outwards until something takes it."""
        if failure.path == path:
            self.note("step_failed", path, number, code=failure.code.value, message=failure.message)
        self.set_step(replace(self.step(path), state=StepFailed(failure)))
        self.count(failed=int(failure.path == path))  # once, where it began
        if path.endswith(UNDO):
            undone(self, path, StepFailed(failure))
            return
        at = scope_path(path)
        scope = self.graph_scope(at)
        if scope.failure is not None:
            return
        if self.layout.rescues and is_rescued(self, path, failure):
            return
        self.draft.put_scope(replace(scope, failure=failure))
        if not at:
            self.end_run(Failed(failure))
            return
        if at == FINALLY:
            final_failed(self, failure)
            return
        place = self.layout.scope(at)
        if not self.is_over(place):
            self._take_failure(place, at, failure)

    def _take_failure(self, place: Place, at: Path, failure: Failure) -> None:
        """The scope ``at`` has failed, and the step that it belongs to is still open."""
        match place.node:
            case MapNode(on_failure=on_failure) if on_failure is not ElementFailure.STOP:
                element_failed(self, place, at, failure)
            case JoinNode():
                arm_failed(self, place, at, failure)
            case State():
                visit_failed(self, place, failure)
            case _:
                self.node_failed(place.step, failure)
