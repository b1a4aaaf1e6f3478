"""A schedule in a beat: decided on the row as it is now, its runs started in the same commit."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.commands import Command, RefuseSubmit
from tidemill.core.errors import UnavailableError
from tidemill.core.events import CancelRequested, Event
from tidemill.core.ids import Digest, Instant, RunId
from tidemill.core.naming import schedule_holder
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Fire, FireKind, Keys, Schedule
from tidemill.core.run import Run
from tidemill.core.schedules import Verdict
from tidemill.core.values import Encoding, refs_in

_log = logging.getLogger("tidemill.engine")

Decide = Callable[[Mapping[RunId, Run | None], Instant], Verdict]
Settle = Callable[[Event], Awaitable[Sequence[Command]]]


class Broken(Struct, frozen=True):
    """It could not be decided."""

    error: Exception


class Stale(Struct, frozen=True):
    """Somebody else changed the schedule first: look again."""


Settled = Verdict | Stale | Broken


class Rescheduling(Struct):
    """A change of one schedule, worked out on ``seen``. ``runs`` are those that ``decide`` looks at."""

    name: str
    seen: Schedule | None
    runs: tuple[RunId, ...]
    decide: Decide
    done: Callable[[Settled], None]
    refused: Callable[[BaseException], None] | None = None


async def reschedule(
    overlay: Overlay, asked: Rescheduling, load: Callable[[Keys], Awaitable[None]], settle: Settle
) -> Settled:
    await load(Keys(schedules=[asked.name], runs=list(asked.runs)))
    row = overlay.schedules.rows[asked.name]
    if _mark(row) != _mark(asked.seen):
        return Stale()
    try:
        verdict = asked.decide({run: overlay.runs.rows[run] for run in asked.runs}, overlay.at)
    except UnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  # the outermost line of one schedule: the others go on
        _log.exception("the schedule %r cannot be decided", asked.name)
        return Broken(error)
    refused: dict[RunId, str] = {}
    for event in verdict.events:
        commands = await settle(event)
        if not isinstance(event, CancelRequested) and (why := _refusal(commands)):
            refused[event.run] = why
    verdict = replace(verdict, fires=tuple(_told(each, refused) for each in verdict.fires))
    _lay(overlay, row, verdict)
    await _name_files(overlay, row, verdict, load)
    return verdict


async def _name_files(
    overlay: Overlay, before: Schedule | None, verdict: Verdict, load: Callable[[Keys], Awaitable[None]]
) -> None:
    """The files of its input stay while it is there; who submits them says so if they are not."""
    row = verdict.row
    if row is None or (before is not None and before.call == row.call):
        return
    if named := [Digest(each) for each in refs_in(row.call.input, Encoding.JSON)]:
        await load(Keys(blobs=named))
        there = [digest for digest in named if overlay.blobs[digest] is not None]
        overlay.blob_refs.update(dict.fromkeys((schedule_holder(row.id), digest) for digest in there))


def _mark(row: Schedule | None) -> tuple[bytes, int]:
    return (row.id, row.version) if row else (b"", 0)


def _refusal(commands: Sequence[Command]) -> str:
    if not commands:
        return "a fault of the server; its log says more"
    return next((each.detail for each in commands if isinstance(each, RefuseSubmit)), "")


def _told(fire: Fire, refused: Mapping[RunId, str]) -> Fire:
    if fire.run is None or fire.run not in refused or fire.kind is not FireKind.STARTED:
        return fire
    return replace(fire, kind=FireKind.REFUSED, run=None, detail=refused[fire.run])


def _lay(overlay: Overlay, before: Schedule | None, verdict: Verdict) -> None:
    if verdict.row is not None:
        overlay.schedules.put({verdict.row.name: verdict.row})
    elif before is not None:
        overlay.schedules.changed.pop(before.name, None)
        overlay.schedules.rows[before.name] = None
        overlay.schedules_drop[before.name] = before
        overlay.fires = [fire for fire in overlay.fires if fire.schedule != before.id]
    overlay.fires += verdict.fires
