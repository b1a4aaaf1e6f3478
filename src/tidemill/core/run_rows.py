"""The rows of one run, as who resolves and reads looks at them: where its machines, maps and loops are."""

import msgspec

from tidemill.core.errors import InternalError
from tidemill.core.graph import ConstNode, ElementFailure, End, MapNode
from tidemill.core.ids import Path, RunId
from tidemill.core.machine_paths import FAILURE, SUCCESS
from tidemill.core.overlay import Draft
from tidemill.core.plan import Layout, join, visit_path
from tidemill.core.run import Code, Failure, Step, StepFailed, StepSkipped, StepSucceeded
from tidemill.core.scopes import JoinScope, LoopScope, MachineScope, MapScope, Scope
from tidemill.core.terms import VALUE, Input, Ref
from tidemill.core.values import Fixed, Gathered, Source

_encode_json = msgspec.json.Encoder().encode


class NotThereError(InternalError):
    """A place holds nothing. In a decision that is a fault of ours; a reader came too early, or looks where none is."""


class RunRows:
    """Of one run. What is not there raises NotThereError."""

    __slots__ = ("draft", "layout", "run")

    def __init__(self, draft: Draft, run: RunId, layout: Layout) -> None:
        self.draft, self.run, self.layout = draft, run, layout

    def given(self, scope: Path) -> dict[str, Source]:
        row = self.draft.scope(self.run, scope)
        return row.given if isinstance(row, Scope) else {}

    def end_of(self, scope: Path) -> dict[str, Input]:
        """The outputs that the end of a machine gives, in the graph of the machine."""
        row = self.machine_scope(scope)
        if row.end is None:
            raise NotThereError(f"the machine at {scope!r} has not ended")
        state, number = row.end
        end = self.layout.states_of(self.layout.scope(scope))[state].transitions[number].to
        return end.outputs if isinstance(end, End) else {}

    def machine_scope(self, scope: Path) -> MachineScope:
        row = self.draft.scope(self.run, scope)
        if not isinstance(row, MachineScope):
            raise NotThereError(f"the machine at {scope!r} has no scope")
        return row

    def status(self, scope: Path, node: str) -> str:
        """The status of a node, or of a state's latest visit; "" while there is none."""
        place = self.layout.scope(scope)
        path = join(scope, node)
        if place.machine:
            path = visit_path(scope, node, self.machine_scope(scope).visits.get(node, 0))
        elif isinstance(place.body.graph.nodes[node], ConstNode):
            return SUCCESS
        step = self.draft.step(self.run, path)
        return status_of(step) if step is not None else ""

    def status_of_body(self, scope: Path) -> str:
        """The status that a graph ends with: that of the node its one output comes from."""
        body = self.layout.scope(scope).body
        output = body.graph.outputs.get(VALUE)
        name = output.node if isinstance(output, Ref) else ""
        return (name in body.needs and self.status(scope, name)) or SUCCESS

    def outputs(self) -> dict[str, Input]:
        """The outputs of the run, in its outermost graph."""
        root = self.layout.root
        return self.end_of("") if root.machine else root.body.graph.outputs

    def failure_at(self, step: Path, element: Path) -> Failure | None:
        """Why an element of a map failed, where that did not stop the map."""
        if not self.map_scope(step).failed:
            return None
        scope = self.draft.scope(self.run, element)
        return scope.failure if isinstance(scope, Scope) else None

    def failed(self, element: Path) -> Fixed:
        """A failure as the element of a list, in the wire form of `tidemill.Failure`."""
        scope = self.draft.scope(self.run, element)
        failure = scope.failure if isinstance(scope, Scope) else None
        if failure is None:
            raise NotThereError(f"element {element!r} did not fail")
        return Fixed(_encode_json({"$failure": failure.code.value, "message": failure.message, "path": failure.path}))

    def skips(self, source: Gathered) -> bool:
        """Whether the list leaves failed elements out, so that its elements have moved."""
        _, _, node = self.layout.node(source.path)
        skip = isinstance(node, MapNode) and node.on_failure is ElementFailure.SKIP
        return skip and self.map_scope(source.path).failed > 0

    def map_scope(self, path: Path) -> MapScope:
        scope = self.draft.scope(self.run, path)
        if not isinstance(scope, MapScope):
            raise NotThereError(f"the map at {path!r} has no scope")
        return scope

    def loop_scope(self, path: Path) -> LoopScope:
        scope = self.draft.scope(self.run, path)
        if not isinstance(scope, LoopScope):
            raise NotThereError(f"the loop at {path!r} has no scope")
        return scope

    def join_scope(self, path: Path) -> JoinScope:
        scope = self.draft.scope(self.run, path)
        if not isinstance(scope, JoinScope):
            raise NotThereError(f"the join at {path!r} has no scope")
        return scope

    def arm(self, path: Path) -> str:
        step = self.draft.step(self.run, path)
        if step is None or not isinstance(step.state, StepSucceeded):
            raise NotThereError(f"the branch at {path!r} is not decided")
        return step.state.arm


def status_of(step: Step) -> str:
    """The status that conditions see: ``timeout`` for what failed by one, ``failure`` for any other."""
    match step.state:
        case StepSucceeded(status=status):
            return status
        case StepFailed(failure=failure):
            return failure.code.value if failure.code is Code.TIMEOUT else FAILURE
        case StepSkipped():
            return "skipped"
        case _:
            return ""
