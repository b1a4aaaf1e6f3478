"""Maps: their lists are found and split, their elements open up to the window, the last one ends them.

Functions over a `Mover`, which opens the scopes of elements and ends steps.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.errors import InputError
from tidemill.core.forks import is_changed
from tidemill.core.graph import MapNode
from tidemill.core.ids import Path
from tidemill.core.mapping import Lists, look_at_lists, scope_of
from tidemill.core.plan import Place, element_path, scope_path
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import Code, Failure, Waiting

if TYPE_CHECKING:
    from tidemill.core.moves import Mover


MAX_MOVES = 1000  # scopes opened by one event; then a timer carries on


def begin_map(mover: "Mover", path: Path, node: MapNode) -> None:
    """Open a map, or have its large lists fetched first."""
    try:
        lists = look_at_lists(mover.resolver, path, node)
        if lists.fetch:
            mover.fetch(path)
        else:
            _open(mover, path, lists.lengths, lists)
    except InputError as error:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, str(error), path=path))


def begin_fetched_map(mover: "Mover", path: Path, node: MapNode, fetched: dict[str, int]) -> None:
    """Open a map whose large lists lie in chunks now; ``fetched`` gives their lengths."""
    try:
        lists = look_at_lists(mover.resolver, path, node)
        _open(mover, path, lists.lengths | {param: fetched[param] for param in lists.fetch}, lists)
    except InputError as error:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, str(error), path=path))


def _open(mover: "Mover", path: Path, lengths: dict[str, int], lists: Lists) -> None:
    scope = scope_of(mover.id, path, lengths, (*lists.chunks, *lists.fetch))
    _, _, node = mover.layout.node(path)
    if isinstance(node, MapNode) and is_changed(mover, path, node):
        scope = replace(scope, changed=True)
    for param, packed in lists.chunks.items():
        for number, chunk in enumerate(packed):
            mover.draft.chunks[mover.id, path, param, number] = chunk
    mover.draft.put_scope(scope)
    mover.set_step(replace(mover.step(path), state=Waiting()))
    mover.note("map_opened", path, length=scope.length)
    feed_map(mover, path)


def feed_map(mover: "Mover", path: Path) -> None:
    """Open elements up to the window; at the end of the list the map is done."""
    _, _, node = mover.layout.node(path)
    assert isinstance(node, MapNode)  # noqa: S101  # only maps are fed
    mover.feeding.add(path)
    while not mover.step(path).is_final:
        scope = mover.resolver.map_scope(path)
        if scope.next >= scope.length or scope.open >= node.window:
            break
        if mover.moves >= MAX_MOVES:
            mover.draft.timers_put.append(Timer(mover.id, path, TimerKind.FEED, mover.draft.at))
            break
        mover.draft.put_scope(replace(scope, next=scope.next + 1, open=scope.open + 1))
        mover.open_scope(element_path(path, scope.next))
    mover.feeding.discard(path)
    scope = mover.resolver.map_scope(path)
    if scope.next >= scope.length and not scope.open and not mover.step(path).is_final:
        mover.map_done(path, scope.skipped)


def element_done(mover: "Mover", path: Path) -> None:
    """One element of the map at ``path`` is over."""
    scope = mover.resolver.map_scope(path)
    mover.draft.put_scope(replace(scope, open=scope.open - 1))
    if path not in mover.feeding and (scope.length > scope.next or scope.open == 1):
        feed_map(mover, path)


def element_failed(mover: "Mover", place: Place, element: Path, failure: Failure) -> None:
    """A map takes the failure of an element: it is counted, and what still lives in the element is stopped."""
    mover.note("element_failed", element, message=failure.message)
    scope = mover.resolver.map_scope(place.step)
    mover.draft.put_scope(replace(scope, failed=scope.failed + 1))
    if mover.graph_scope(element).pending > 1 or scope_path(failure.path) != element:
        mover.stop_below(element)
    element_done(mover, place.step)
