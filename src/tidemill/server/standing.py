"""How the steps of a run stand, by the boxes of its picture.

Rows are asked for by the keys that the graph tells, level by level: of a machine the latest visits, of a loop the last
round, of a map its counts. So what is read is in proportion to the graph, however long a run went on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidemill.core.graph import (
    FINALLY,
    BranchNode,
    CallNode,
    ConstNode,
    End,
    Ending,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    State,
    TaskNode,
    WaitNode,
    Workflow,
)
from tidemill.core.ids import Path, RunId
from tidemill.core.plan import bodies_of, element_path, join, visit_path
from tidemill.core.rows import Keys, Rows
from tidemill.core.run import Step, StepSucceeded
from tidemill.core.scopes import LoopScope, MachineScope, MapScope
from tidemill.graphs.sheet import end_box
from tidemill.graphs.svg import Standing
from tidemill.ports.store import Queries


@dataclass(frozen=True)
class _Part:
    """A graph, or a machine of states, in the picture (``place``) and in the run (``path``)."""

    place: str
    path: Path
    graph: Graph | None = None
    states: dict[str, State] | None = None

    def steps(self, rows: Rows, run: RunId) -> Iterator[tuple[str, Path, Node | State]]:
        """Its steps: their places, their paths, and what they are."""
        if self.graph is not None:
            for name, node in self.graph.nodes.items():
                if not isinstance(node, ConstNode):
                    yield join(self.place, name), join(self.path, name), node
        scope = rows.scopes.get((run, self.path))
        if self.states is not None and isinstance(scope, MachineScope):
            for name, number in scope.visits.items():
                yield join(self.place, name), visit_path(self.path, name, number), self.states[name]


async def standing_of(queries: Queries, run: RunId, workflow: Workflow) -> dict[str, Standing]:
    """By the ids of boxes."""
    found: dict[str, Standing] = {}
    states = workflow.states if workflow.is_machine else None
    parts = [_Part("", "", None if states else workflow.body, states)]
    if workflow.final is not None:
        parts.append(_Part(FINALLY, FINALLY, workflow.final.body))
    while parts:
        rows = await queries.rows(Keys(scopes=[(run, part.path) for part in parts if part.states is not None]))
        steps = [each for part in parts for each in part.steps(rows, run)]
        rows.steps = (await queries.rows(Keys(steps=[(run, path) for _, path, _ in steps]))).steps
        await _load_more(queries, run, steps, rows)
        for part in parts:
            found |= _end_of(part, rows, run)
        parts = []
        for place, path, node in steps:
            if (step := rows.steps.get((run, path))) is not None:
                found |= _standing(place, step, node, rows)
                parts += _inside(place, path, node, rows, run)
    return found


async def _load_more(queries: Queries, run: RunId, steps: Sequence[tuple[str, Path, Node | State]], rows: Rows) -> None:
    """Counts of maps and loops, and what attempts that run say of their progress."""
    counted = [(run, path) for _, path, node in steps if isinstance(node, MapNode | LoopNode)]
    live = [step for step in rows.steps.values() if step is not None and step.latest and not step.is_final]
    more = await queries.rows(Keys(scopes=counted, attempts=[(run, step.path, step.latest) for step in live]))
    rows.scopes |= more.scopes
    rows.attempts |= more.attempts


def _standing(place: str, step: Step, node: Node | State, rows: Rows) -> dict[str, Standing]:
    current = isinstance(node, State) and not step.is_final
    holds = not isinstance(node, TaskNode | WaitNode | OpNode)  # it waits for what is inside
    status = "running" if holds and step.status == "waiting" else step.status
    found = {place: Standing(status, _words(step, node, rows), current)}
    if isinstance(node, BranchNode) and isinstance(step.state, StepSucceeded) and step.state.arm:
        found[join(place, step.state.arm)] = Standing("taken")
    return found


def _words(step: Step, node: Node | State, rows: Rows) -> str:
    scope = rows.scopes.get((step.run, step.path))
    if isinstance(scope, MapScope):
        done = scope.next - scope.open - scope.failed
        said = [f"{done:,} of {scope.length:,}"]
        said += [f"{scope.open:,} under way"] * bool(scope.open) + [f"{scope.failed:,} failed"] * bool(scope.failed)
        return ", ".join(said)
    if isinstance(scope, LoopScope):
        return f"round {scope.round + 1:,}" if scope.round >= 0 else ""
    if isinstance(node, State):
        number = int(step.path.rpartition("#")[2])
        return f"visit {number:,}" if number > 1 else ""
    return _words_of_task(step, rows)


def _words_of_task(step: Step, rows: Rows) -> str:
    said = [f"attempt {step.latest}"] if step.latest > 1 else []
    attempt = rows.attempts.get((step.run, step.path, step.latest))
    if attempt is not None and attempt.progress is not None:
        fraction, stage, _ = attempt.progress
        said.append(f"{fraction:.0%} {stage}".strip())
    if isinstance(step.state, StepSucceeded) and step.state.status != "success":
        said.append(step.state.status)
    return ", ".join(said)


def _end_of(part: _Part, rows: Rows, run: RunId) -> dict[str, Standing]:
    scope = rows.scopes.get((run, part.path))
    if part.states is None or not isinstance(scope, MachineScope) or scope.end is None:
        return {}
    state, number = scope.end
    target = part.states[state].transitions[number].to
    if not isinstance(target, End):
        return {}
    status = "succeeded" if target.outcome is Ending.SUCCESS else "failed"
    return {end_box(target, part.place).id: Standing(status, current=True)}


def _inside(place: str, path: Path, node: Node | State, rows: Rows, run: RunId) -> Iterator[_Part]:
    """What is inside a step that has begun; of a map nothing, for it has any number of elements."""
    match node:
        case State(body=body) | CallNode(body=body):
            yield _Part(place, path, body)
        case LoopNode(body=body):
            scope = rows.scopes.get((run, path))
            if isinstance(scope, LoopScope) and scope.round >= 0:
                yield _Part(place, element_path(path, scope.round), body)
        case BranchNode() | JoinNode():
            for arm, body in bodies_of(node):
                yield _Part(join(place, arm), join(path, arm), body)
        case MachineNode(states=states):
            yield _Part(place, path, states=states)
        case _:
            return
