"""Events that tasks tell of their run, numbered within it and recorded once each; measures, kept as they are."""

from msgspec.structs import replace

from tidemill.core import attributes, waits
from tidemill.core.attempts import report_of
from tidemill.core.commands import AcknowledgeEvents, TurnAway
from tidemill.core.events import EventsEmitted, MeasuresTaken
from tidemill.core.moves import Mover
from tidemill.core.naming import name_files
from tidemill.core.overlay import Draft
from tidemill.core.rows import Emitted
from tidemill.core.telling import EMISSIONS_OF_RUN, MEASURES_OF_ATTEMPT, Emission, Tells


def emitted(draft: Draft, event: EventsEmitted) -> None:
    """What came again is passed over, a gap is not taken; those of an attempt that was overtaken do not count."""
    report = report_of(draft, event.run, event.path, event.number)
    if report is None:
        draft.order(TurnAway(event.run, event.path, event.number))
        return
    attempt = report.attempt
    known = attempt.emitted - event.first
    if 0 <= known < len(event.emissions):
        fresh = event.emissions[known:]
        attempt = replace(attempt, emitted=attempt.emitted + len(fresh))
        draft.put_attempt(attempt)
        for each in fresh:
            if each.tells is Tells.EVENT:
                _record(report.mover, event, each)
            else:
                attributes.told(report.mover, event, each)
    draft.order(AcknowledgeEvents(event.run, event.path, event.number, attempt.emitted))


def _record(mover: Mover, event: EventsEmitted, each: Emission) -> None:
    run = mover.run
    number = run.emitted + 1
    mover.draft.put_run(replace(run, emitted=number))
    row = Emitted(run.id, number, mover.draft.at, event.path, event.number, each.type, each.payload, each.message)
    if number <= EMISSIONS_OF_RUN:
        name_files(mover.draft, run.id, [each.payload])
        mover.draft.emitted.append(row)
        mover.note("emitted", event.path, event.number, event=number, type=each.type, message=each.message)
    if each.type in mover.layout.awaited:
        waits.told(mover, row)


def measured(draft: Draft, event: MeasuresTaken) -> None:
    """Keep what a live attempt has measured so far; its report has the last word."""
    attempt = draft.attempt(event.run, event.path, event.number)
    if attempt is not None and attempt.is_live:
        draft.put_attempt(replace(attempt, measures=event.measures[:MEASURES_OF_ATTEMPT]))
