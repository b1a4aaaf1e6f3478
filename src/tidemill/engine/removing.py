"""Runs that go, in a beat: whether each may is decided on the rows as they are in it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.ids import RunId
from tidemill.core.overlay import Overlay
from tidemill.core.retention import why_it_stays
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Hidden

Stays = Mapping[RunId, str]  # why; "": it goes


class How(Enum):
    HIDE = "hide"
    LOOK = "look"  # say what would be hidden, and hide nothing


class Removing(Struct):
    """Hide these runs, as far as they may go."""

    runs: Sequence[RunId]
    done: Callable[[Stays], None]
    how: How = How.HIDE
    refused: Callable[[BaseException], None] | None = None


async def remove(
    overlay: Overlay,
    asked: Removing,
    load: Callable[[Keys], Awaitable[None]],
    forked: Callable[[Sequence[RunId]], Awaitable[Sequence[RunId]]],
) -> Stays:
    await load(Keys(runs=[run for run in asked.runs if run not in overlay.runs.rows]))
    rows = overlay.runs.rows
    parents = [row.parent for run in asked.runs if (row := rows[run]) is not None and row.parent is not None]
    await load(Keys(runs=[parent for parent in dict.fromkeys(parents) if parent not in rows]))
    origins = {*await forked(asked.runs), *_forked_now(overlay)}
    stays: dict[RunId, str] = {}
    for run in asked.runs:
        row = rows[run]
        parent = rows[row.parent] if row is not None and row.parent is not None else None
        stays[run] = why_it_stays(row, parent, overlay.at, is_forked=run in origins)
        if row is not None and not stays[run] and asked.how is How.HIDE:
            overlay.runs.put({run: replace(row, hidden=Hidden.REMOVING, hidden_at=overlay.at)})
            overlay.tagged[run] = {}
    return stays


def _forked_now(overlay: Overlay) -> list[RunId]:
    """Origins of forks that this very beat made."""
    rows = overlay.runs.changed.values()
    return [row.fork.origin for row in rows if row.fork is not None and not isinstance(row.state, Ended)]
