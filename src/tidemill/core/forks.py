"""Forks: a run that takes from another one the results of steps whose inputs are the same, and runs the rest.

A step is taken over when its origin recorded a success at the same path, of the same task, and each of its inputs is
the same: compared by content where a value lies in one place, by place where it is gathered from a map. So an edited
input runs again only what it reaches. Streams are not taken over: their items lie with the run that made them.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.chunks import pick, plain
from tidemill.core.errors import TidemillError
from tidemill.core.fill import Filler
from tidemill.core.graph import UNDO, MapNode, Node, TaskNode, WaitNode
from tidemill.core.ids import Path
from tidemill.core.inputs import sources_of
from tidemill.core.plan import expressions_of, join, scope_path
from tidemill.core.resolve import Resolver
from tidemill.core.rows import Cached, Keys
from tidemill.core.run import Failure, Fork, StepFailed, StepSucceeded
from tidemill.core.scopes import MapScope
from tidemill.core.tables import GraphMissingError, RowsMissingError
from tidemill.core.terms import VALUE
from tidemill.core.values import (
    Element,
    Encoding,
    FieldPath,
    Fixed,
    Gathered,
    Inline,
    ListOf,
    Output,
    RecordOf,
    Source,
    Streamed,
    Value,
)

if TYPE_CHECKING:
    from tidemill.core.moves import Mover


AHEAD = 256  # steps of the origin that are looked at in one go
_sorted = msgspec.msgpack.Encoder(order="deterministic").encode
_NUMBERED = re.compile(r"(.*[\[#])(\d+)(.*)")  # the innermost element, round or visit of a scope


class Recorded(Struct, frozen=True):
    """What the origin has of a step."""

    step: StepSucceeded | StepFailed
    outputs: dict[str, Value]


Taken = TaskNode | WaitNode  # nodes whose results are taken over; all others are worked out anew


def taken_over(mover: "Mover", path: Path, node: Taken) -> Cached | Failure | None:
    """The origin's result for the step at ``path``, if that stands; a failure only in a rehearsal."""
    fork = mover.run.fork
    if fork is None:
        return None
    found = _recorded(mover, fork, path, node) if not _is_run_again(fork, path) else None
    if found is None:
        _mark(mover, path)
        return None
    if isinstance(found.step, StepFailed):
        return found.step.failure
    return Cached(b"", fork.origin, path, found.step.status, found.outputs, mover.draft.at, mover.draft.at)


def _is_run_again(fork: Fork, path: Path) -> bool:
    return any(path == each or path.startswith((f"{each}/", f"{each}[")) for each in fork.again)


def _recorded(mover: "Mover", fork: Fork, path: Path, node: Taken) -> Recorded | None:
    _look_ahead(mover, fork, path)
    if isinstance(node, TaskNode) and node.undo is not None and mover.draft.step(fork.origin, path + UNDO) is not None:
        return None  # what it did was taken back
    step = mover.draft.step(fork.origin, path)
    match step.state if step is not None else None:
        case StepSucceeded() as state:
            ports = node.outputs if isinstance(node, TaskNode) else (VALUE,)
            outputs = {port: mover.draft.value(fork.origin, path, port) for port in ports}
            there = {port: value for port, value in outputs.items() if value is not None}
            if len(there) < len(outputs) or any(isinstance(value, Streamed) for value in there.values()):
                return None
            return Recorded(state, there) if fork.assume or _is_same(mover, fork, path, node) else None
        case StepFailed() as failed if fork.assume:
            return Recorded(failed, {})
        case _:
            return None


def _look_ahead(mover: "Mover", fork: Fork, path: Path) -> None:
    """Have all loaded at once that the next steps will ask for: a decision begins anew whenever rows are missing."""
    over, origin = mover.draft.over, fork.origin
    if (origin, path) in over.steps.rows:
        return
    keys = Keys()
    for step, node in islice(_next(mover, path), AHEAD):
        if (origin, step) not in over.steps.rows:
            keys.steps.append((origin, step))
            if isinstance(node, TaskNode) and node.undo is not None:
                keys.steps.append((origin, step + UNDO))
            ports = node.outputs if isinstance(node, TaskNode) else (VALUE,)
            values = [(origin, step, port) for port in ports]
            keys.values += [key for key in values if key not in over.values.rows]
    raise RowsMissingError(keys)


def _next(mover: "Mover", path: Path) -> Iterator[tuple[Path, Taken]]:
    """The node at ``path``, those beside it, then those of the elements, rounds or visits that follow."""
    scope, name = scope_path(path), path.rpartition("/")[2]
    nodes = mover.layout.scope(scope).body.graph.nodes.items()
    taken = sorted(((each, node) for each, node in nodes if isinstance(node, Taken)), key=lambda one: one[0] != name)
    found = _NUMBERED.fullmatch(scope)
    while True:
        yield from ((join(scope, each), node) for each, node in taken)
        if found is None:
            return
        before, number, rest = found.groups()
        scope = f"{before}{int(number) + 1}{rest}"
        found = _NUMBERED.fullmatch(scope)


def _is_same(mover: "Mover", fork: Fork, path: Path, node: Taken) -> bool:
    """Whether the origin ran the same task on the same inputs here, or waited for the same."""
    origin = Resolver(mover.draft, fork.origin, mover.draft.layout(fork.graph))
    try:
        _, _, old = origin.layout.node(path)
        match node, old:
            case TaskNode(), TaskNode() if (old.task, old.schema) == (node.task, node.schema):
                mine, others = sources_of(mover.resolver, path, node), sources_of(origin, path, old)
                return _equal(mover.resolver, RecordOf(mine), origin, RecordOf(others))
            case WaitNode(), WaitNode() if old.what == node.what:
                return _say_the_same(mover.resolver, node, origin, old, scope_path(path))
            case _:
                return False
    except (RowsMissingError, GraphMissingError):
        raise
    except TidemillError:
        return False  # the origin went another way


def _say_the_same(ours: Resolver, node: Node, theirs: Resolver, old: Node, scope: Path) -> bool:
    """Whether what two nodes say of the graph around them, in ``scope``, gives the same."""
    mine = [ours.resolve(scope, each) for each in expressions_of(node)]
    others = [theirs.resolve(scope, each) for each in expressions_of(old)]
    return _equal(ours, ListOf(tuple(mine)), theirs, ListOf(tuple(others)))


def _equal(ours: Resolver, mine: Source, theirs: Resolver, other: Source) -> bool:
    match mine, other:
        case ListOf(items=items), ListOf(items=others):
            pairs = zip(items, others, strict=False)
            return len(items) == len(others) and all(_equal(ours, one, theirs, two) for one, two in pairs)
        case RecordOf(fields=parts), RecordOf(fields=others_):
            return parts.keys() == others_.keys() and all(
                _equal(ours, part, theirs, others_[name]) for name, part in parts.items()
            )
        case Gathered(), Gathered():
            scope = ours.map_scope(mine.path)
            return mine == other and not scope.changed and theirs.map_scope(mine.path).failed == scope.failed
        case ((Output() | Element() | Fixed()), (Output() | Element() | Fixed())):
            return _same_content(_content(ours, mine), _content(theirs, other))
        case _:
            return False


def _content(resolver: Resolver, source: Output | Element | Fixed) -> tuple[Value | None, FieldPath]:
    match source:
        case Output(path=path, port=port, fields=fields):
            return resolver.draft.value(resolver.run, path, port), fields
        case Element(fields=fields):
            return Filler(resolver).element(source), fields
        case Fixed(data=data, fields=fields):
            return Inline(data, Encoding.JSON), fields


def _same_content(ours: tuple[Value | None, FieldPath], theirs: tuple[Value | None, FieldPath]) -> bool:
    (mine, fields), (other, others) = ours, theirs
    if isinstance(mine, Inline) and isinstance(other, Inline):
        if fields == others and (mine.data, mine.encoding) == (other.data, other.encoding):
            return True
        return _picked(mine, fields) == _picked(other, others)
    return ours == theirs and not isinstance(mine, Streamed)


def _picked(value: Inline, fields: FieldPath) -> bytes:
    """The part that is meant, written one way: to Python 1, 1.0 and True are equal, and to a task they are not."""
    return _sorted(pick(plain(value.data, value.encoding), fields))


# Maps ----------------------------------------------------------------------------------------------


def _mark(mover: "Mover", path: Path) -> None:
    """A step runs anew: the lists of the maps around it are not those of the origin."""
    scope = scope_path(path)
    while scope:
        place = mover.layout.scope(scope)
        row = mover.draft.scope(mover.id, place.step) if isinstance(place.node, MapNode) else None
        if isinstance(row, MapScope):
            if row.changed:
                return
            mover.draft.put_scope(replace(row, changed=True))
        scope = place.outer


def is_changed(mover: "Mover", path: Path, node: MapNode) -> bool:
    """Whether a map gives another list than that of the origin, even if no step in it runs anew."""
    fork = mover.run.fork
    if fork is None:
        return False
    origin = Resolver(mover.draft, fork.origin, mover.draft.layout(fork.graph))
    try:
        _, _, old = origin.layout.node(path)
        if not isinstance(old, MapNode) or old.body != node.body:
            return True
        return not _say_the_same(mover.resolver, node, origin, old, scope_path(path))
    except (RowsMissingError, GraphMissingError):
        raise
    except TidemillError:
        return True
