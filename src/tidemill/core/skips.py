"""What becomes of a node that failed and may: a default stands for it, or it is left out with all that needs it.

What needs it: nodes that use its output, and what holds them if its own output comes from them; a map whose element
has none, a loop whose round has none. One that only waits for it (``after``) or asks for its status goes on. At the top
nothing is left out: a run, or a visit of a state, whose output is among them has failed.

Functions over a `Mover`. They are asked only in workflows that say a rescue somewhere.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.errors import InputError
from tidemill.core.graph import BranchNode, ConstNode, Default, ElementFailure, JoinNode, LoopNode, MapNode, Node, State
from tidemill.core.ids import Path
from tidemill.core.joins import arm_failed
from tidemill.core.machines import visit_failed
from tidemill.core.maps import element_done, element_failed
from tidemill.core.plan import Place, bodies_of, expressions_of, refs_in
from tidemill.core.resolve import SkippedError
from tidemill.core.run import Code, Failure, StepFailed
from tidemill.core.terms import Input

if TYPE_CHECKING:
    from tidemill.core.moves import Mover


def is_rescued(mover: "Mover", path: Path, failure: Failure) -> bool:
    """Whether a node may fail; its graph then goes on."""
    _, _, node = mover.layout.node(path)
    if isinstance(node, State | ConstNode) or node.rescue is None:
        return False
    mover.note("step_rescued", path, by=node.rescue.__struct_config__.tag)
    if any(bodies_of(node)):
        mover.stop_below(path)
    mover.settle(path, StepFailed(failure))
    return True


def absent_input(mover: "Mover", scope: Path, node: Node) -> Path | None:
    """The step whose failure left out what a node needs; None when all of that is there."""
    return _absent(mover, scope, _needed_by(node))


def absent_output(mover: "Mover", path: Path, place: Place) -> Path | None:
    """The step whose failure left out what the graph of a scope gives."""
    graph, node = place.body.graph, place.node
    until = refs_in(node.until) if isinstance(node, LoopNode) else ()
    return _absent(mover, path, (*graph.outputs.values(), *until))


def _needed_by(node: Node) -> Iterator[Input]:
    """What a node cannot begin without. Arms take what they use by themselves."""
    if isinstance(node, BranchNode):
        for case in node.cases:
            yield from refs_in(case.when) if case.when is not None else ()
    elif not isinstance(node, JoinNode):
        yield from expressions_of(node)


def _absent(mover: "Mover", scope: Path, expressions: Iterable[Input]) -> Path | None:
    for expression in expressions:
        try:
            mover.resolver.resolve(scope, expression)
        except SkippedError as error:
            return error.because
        except InputError:
            continue  # who uses it will say so
    return None


def scope_left_out(mover: "Mover", place: Place, path: Path, because: Path) -> None:
    """All nodes of a scope are done, and what it gives is among those that were left out."""
    match place.node:
        case MapNode(on_failure=ElementFailure.STOP):
            scope = mover.resolver.map_scope(place.step)
            mover.draft.put_scope(replace(scope, skipped=scope.skipped or because))
            element_done(mover, place.step)
        case MapNode():
            failure = _failure_of(mover, because)
            mover.draft.put_scope(replace(mover.graph_scope(path), failure=failure))
            element_failed(mover, place, path, failure)
        case JoinNode():
            failure = _failure_of(mover, because)
            mover.draft.put_scope(replace(mover.graph_scope(path), failure=failure))
            arm_failed(mover, place, path, failure)
        case State():
            failure = _missing(f"the output of the state {place.arm!r}", because)
            mover.draft.put_scope(replace(mover.graph_scope(path), failure=failure))
            visit_failed(mover, place, failure)
        case _:
            node_left_out(mover, place.step, because)


def node_left_out(mover: "Mover", path: Path, because: Path) -> None:
    """What a node gives comes from what was left out inside it: its own default may stand for that."""
    _, _, node = mover.layout.node(path)
    if not isinstance(node, State) and isinstance(getattr(node, "rescue", None), Default):
        mover.node_failed(path, replace(_missing("its output", because), path=path))
    else:
        mover.node_skipped(path, because)


def _failure_of(mover: "Mover", because: Path) -> Failure:
    state = mover.step(because).state
    return state.failure if isinstance(state, StepFailed) else _missing("its output", because)


def _missing(what: str, because: Path) -> Failure:
    return Failure(Code.PERMANENT, f"{what} was left out, since {because!r} failed", path=because)
