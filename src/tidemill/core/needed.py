"""The rows that events need at least."""

from tidemill.core import keys
from tidemill.core.events import (
    ApprovalGiven,
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    AttributesChanged,
    Continued,
    Event,
    EventsEmitted,
    ItemsStreamed,
    MeasuresTaken,
    ProgressMade,
    QuarantineJudged,
    RunSubmitted,
    SignalSent,
    TimerDue,
)
from tidemill.core.ids import Path, RunId
from tidemill.core.plan import scope_path
from tidemill.core.rows import Keys, TimerKind
from tidemill.core.rules import NO_RULE


def keys_of(event: Event) -> Keys:  # noqa: C901  # one match over a union
    """The rows that deciding an event needs at least; the engine loads them for a whole beat at once."""
    match event:
        case RunSubmitted(run=run, parent=parent):
            named = list(keys.names_of(event).values()) if event.rule is not NO_RULE else []
            return Keys(runs=[run, parent] if parent else [run], submit_keys=named)
        case (
            AttemptSucceeded()
            | AttemptStarted()
            | AttemptFailed()
            | AttemptReleased()
            | AttemptLost()
            | ItemsStreamed()
            | EventsEmitted()
        ):
            return _keys_of_step(event.run, event.path, event.number)
        case ProgressMade(run=run, path=path, number=number) | MeasuresTaken(run=run, path=path, number=number):
            return Keys(attempts=[(run, path, number)])
        case SignalSent(run=run, address=address, id=id_):
            return Keys(runs=[run], mailboxes=[address], signals=[(address, id_)])
        case ApprovalGiven(run=run, path=path):
            return Keys(runs=[run], steps=[(run, path)], waits=[(run, path)], scopes=[(run, scope_path(path))])
        case TimerDue(timer=timer) if timer.kind in (TimerKind.WAIT, TimerKind.WAKE):
            needed = _keys_of_step(timer.run, timer.path, timer.number)
            needed.waits.append((timer.run, timer.path))
            return needed
        case TimerDue(timer=timer):
            return _keys_of_step(timer.run, timer.path, timer.number)
        case AttributesChanged(run=run, path=path):
            return Keys(runs=[run], steps=[(run, path)] if path else [], attributes=[(run, path)])
        case Continued(run=run, paths=paths) | QuarantineJudged(run=run, paths=paths):
            return Keys(runs=[run], steps=[(run, path) for path in paths])
        case _:
            return Keys(runs=[event.run])


def _keys_of_step(run: RunId, path: Path, number: int) -> Keys:
    key = (run, path)
    return Keys(runs=[run], steps=[key], attempts=[(*key, number)], scopes=[(run, scope_path(path))])
