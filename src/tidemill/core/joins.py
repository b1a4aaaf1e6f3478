"""Joins: all arms open side by side; when enough of them have succeeded, the rest is stopped, or left to go on.

Functions over a `Mover`. Arms that are left count as nodes of the graph around the join, so it ends after them; what
becomes of them changes nothing else.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.graph import JoinNode, Rest
from tidemill.core.ids import Path
from tidemill.core.machine_paths import SUCCESS
from tidemill.core.plan import Place, join, scope_path
from tidemill.core.run import Code, Failure, StepSucceeded
from tidemill.core.scopes import JoinScope

if TYPE_CHECKING:
    from tidemill.core.moves import Mover

_SHOWN = 200  # characters of what an arm said when it failed


def begin_join(mover: "Mover", path: Path, node: JoinNode) -> None:
    """Open all arms, unless the first ones are enough already."""
    mover.draft.put_scope(JoinScope(mover.id, path))
    for arm in node.arms:
        if mover.step(path).is_final and node.rest is Rest.CANCEL:
            return
        mover.open_scope(join(path, arm.name))


def arm_done(mover: "Mover", place: Place) -> None:
    """An arm has succeeded."""
    path, node = place.step, place.node
    assert isinstance(node, JoinNode)  # noqa: S101  # asked of arms only
    if mover.step(path).is_final:
        mover.left_over(path)
        return
    scope = mover.resolver.join_scope(path)
    scope = replace(scope, done=(*scope.done, place.arm))
    mover.draft.put_scope(scope)
    mover.note("arm_done", path, arm=place.arm)
    if len(scope.done) >= node.need:
        _enough(mover, path, node, len(node.arms) - len(scope.done) - len(scope.failed))


def _enough(mover: "Mover", path: Path, node: JoinNode, still_open: int) -> None:
    if still_open and node.rest is Rest.CANCEL:
        mover.stop_below(path)
    elif still_open:
        around = mover.graph_scope(scope_path(path))
        mover.draft.put_scope(replace(around, pending=around.pending + still_open))
    arm = mover.resolver.join_scope(path).done[0] if node.single else ""
    status = mover.resolver.status_of_body(join(path, arm)) if arm else SUCCESS
    mover.node_done(path, StepSucceeded(status, arm=arm))


def arm_failed(mover: "Mover", place: Place, at: Path, failure: Failure) -> None:
    """An arm has failed: the join goes on while enough of them are left."""
    path, node = place.step, place.node
    assert isinstance(node, JoinNode)  # noqa: S101  # as above
    mover.note("arm_failed", path, arm=place.arm, message=failure.message)
    if mover.graph_scope(at).pending > 1 or scope_path(failure.path) != at:
        mover.stop_below(at)
    if mover.step(path).is_final:
        mover.left_over(path)
        return
    scope = mover.resolver.join_scope(path)
    scope = replace(scope, failed={**scope.failed, place.arm: failure.message[:_SHOWN]})
    mover.draft.put_scope(scope)
    if len(node.arms) - len(scope.failed) >= node.need:
        return
    said = "; ".join(f"{arm}: {message}" for arm, message in scope.failed.items())
    text = f"{len(scope.failed)} of {len(node.arms)} arms failed, and {node.need} had to succeed: {said}"
    if len(scope.done) + len(scope.failed) < len(node.arms):
        mover.stop_below(path)
    code = failure.code if len(scope.failed) == 1 else Code.PERMANENT
    mover.node_failed(path, Failure(code, text, path=path))
