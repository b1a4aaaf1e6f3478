"""Loops: a round opens the body on what it starts with; when that is done, the condition is judged in it.

Functions over a `Mover`. What a round starts with is found when it opens and stays with its scope, so the ten
thousandth costs what the first did. Rounds that need no worker follow each other here, not up a stack.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.branches import judged
from tidemill.core.conditions import text_of
from tidemill.core.errors import InputError
from tidemill.core.fill import LargeOperandError
from tidemill.core.graph import LoopNode
from tidemill.core.ids import Path
from tidemill.core.maps import MAX_MOVES
from tidemill.core.plan import Place, element_path, scope_path
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import Code, Failure, StepSucceeded, Waiting
from tidemill.core.scopes import LoopScope
from tidemill.core.terms import VALUE
from tidemill.core.values import ListOf, RecordOf, Source

if TYPE_CHECKING:
    from tidemill.core.moves import Mover

MOST_PARTS = 256  # of what a round starts with: lists and records that rounds put around each other
DEEPEST = 16


class UnwieldyError(InputError):
    def __init__(self) -> None:
        super().__init__(
            f"what it gave is put together from more than {MOST_PARTS} parts, or more than {DEEPEST} deep: each round "
            "puts a list or a record around what it was given; let a task make the value"
        )


def begin_loop(mover: "Mover", path: Path, node: LoopNode) -> None:
    """Open the first round."""
    try:
        start = mover.resolver.resolve(scope_path(path), node.start)
    except InputError as error:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, f"the start of the loop: {error}", path=path))
        return
    mover.draft.put_scope(LoopScope(mover.id, path, next=start))
    turn(mover, path)


def turn(mover: "Mover", path: Path) -> None:
    """Open the round that comes next, and those after it while nothing has to be waited for."""
    _, _, node = mover.layout.node(path)
    assert isinstance(node, LoopNode)  # noqa: S101  # only loops are turned
    mover.feeding.add(path)
    while not mover.step(path).is_final:
        scope = mover.resolver.loop_scope(path)
        if scope.next is None:
            break
        if mover.moves >= MAX_MOVES:
            mover.draft.timers_put.append(Timer(mover.id, path, TimerKind.FEED, mover.draft.at))
            break
        mover.draft.put_scope(replace(scope, round=scope.round + 1, next=None))
        mover.open_scope(element_path(path, scope.round + 1), {node.param: scope.next})
    mover.feeding.discard(path)


def round_done(mover: "Mover", place: Place, at: Path) -> None:
    """All nodes of the round at ``at`` are done: end the loop with what it gave, or start another with that."""
    path, node = place.step, place.node
    assert isinstance(node, LoopNode)  # noqa: S101  # asked of rounds only
    try:
        if judged(mover, at)(node.until):
            mover.fetched = {}
            mover.node_done(path, StepSucceeded(mover.resolver.status_of_body(at)))
            return
        mover.fetched = {}
        _again(mover, place, node, _checked(mover.resolver.resolve(at, node.body.outputs[VALUE])))
    except LargeOperandError as error:
        if mover.fetched:  # what was asked for has come
            mover.node_failed(path, Failure(Code.INTERNAL, str(error), path=path))
        else:
            mover.fetch(path)
    except InputError as error:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, f"after round {place.index + 1}: {error}", path=path))


def _again(mover: "Mover", place: Place, node: LoopNode, start: Source) -> None:
    path = place.step
    if place.index + 1 >= node.limit:
        text = f"after {node.limit} rounds, its limit, `{text_of(node.until)}` does not hold"
        mover.node_failed(path, Failure(Code.PERMANENT, text, path=path))
        return
    mover.set_step(replace(mover.step(path), state=Waiting()))  # it may have waited for what its condition looks at
    mover.draft.put_scope(replace(mover.resolver.loop_scope(path), next=start))
    if path not in mover.feeding:
        turn(mover, path)


def _checked(source: Source) -> Source:
    """Raises UnwieldyError for one that would grow from round to round."""
    level, depth, count = [source], 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > DEEPEST or count > MOST_PARTS:
            raise UnwieldyError
        level = [part for each in level for part in _parts_of(each)]
    return source


def _parts_of(source: Source) -> tuple[Source, ...]:
    match source:
        case ListOf(items=items):
            return items
        case RecordOf(fields=parts):
            return tuple(parts.values())
        case _:
            return ()
