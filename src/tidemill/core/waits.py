"""Waits: a step that nothing runs, until a signal, an event, an instant or a person ends it. Functions over a `Mover`.

```text
begin ──► what it waits for is there ──► done
      └─► row, mailbox or timer; counted as live ──► signal · event · WAKE · approval ──► done
                                                 ├─► WAIT (its deadline) ──► fails with `timeout`, or goes on with null
                                                 └─► its run ends, or goes on without it ──► stopped
```
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tidemill.core import mail
from tidemill.core.errors import InputError
from tidemill.core.fill import Filler, LargeOperandError
from tidemill.core.graph import ApprovalWait, EventWait, Late, SignalWait, TimeWait, WaitNode
from tidemill.core.ids import Instant, Path
from tidemill.core.machine_paths import SUCCESS
from tidemill.core.plan import scope_path
from tidemill.core.rows import Emitted, Timer, TimerKind
from tidemill.core.run import Code, Failure, Step, StepSucceeded, Waiting
from tidemill.core.terms import VALUE, Input
from tidemill.core.values import Encoding, Inline, Value, blobs_of
from tidemill.core.wait_rows import (
    MOST_WAITERS,
    Address,
    Closed,
    Outcome,
    SignalRow,
    WaitKind,
    WaitRow,
)

if TYPE_CHECKING:
    from tidemill.core.moves import Mover

KEY_LIMIT = 256  # characters
MOST_US = 36_525 * 86_400 * 1_000_000  # a hundred years
NULL = Inline(b"null", Encoding.JSON)
TIMED_OUT = "timeout"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


def begin_wait(mover: "Mover", path: Path, node: WaitNode) -> None:
    """Open a wait, unless what it waits for is there already."""
    mover.set_step(Step(mover.id, path, Waiting()))
    try:
        row = _row(mover, path, node)
    except LargeOperandError as error:
        if mover.fetched:  # what was asked for has come
            _misfit(mover, path, str(error))
        else:
            mover.fetch(path)
    except (InputError, TypeError, ValueError) as error:
        _misfit(mover, path, str(error))
    else:
        _open(mover, row)


def _misfit(mover: "Mover", path: Path, text: str) -> None:
    mover.node_failed(path, Failure(Code.INVALID_INPUT, f"it cannot wait: {text}", path=path))


def _row(mover: "Mover", path: Path, node: WaitNode) -> WaitRow:
    at = mover.draft.at
    until_at = None if node.within_s is None else at + round(node.within_s * 1_000_000)
    row = WaitRow(mover.id, path, WaitKind.SIGNAL, mover.run.workflow, at, until_at=until_at)
    match node.what:
        case SignalWait(name=name, key=None):
            return replace(row, name=name)
        case SignalWait(name=name, key=key) if key is not None:
            return replace(row, name=name, key=_key(_plain(mover, path, key)))
        case EventWait(event=event):
            return replace(row, kind=WaitKind.EVENT, name=event)
        case ApprovalWait(question=question, choices=choices):
            return replace(row, kind=WaitKind.APPROVAL, question=question, choices=choices)
        case TimeWait(at=instant) if instant is not None:
            return replace(row, kind=WaitKind.TIME, until_at=instant_of(_plain(mover, path, instant), at))
        case TimeWait(for_s=length) if length is not None:
            return replace(row, kind=WaitKind.TIME, until_at=at + length_of(_plain(mover, path, length)))
        case _:
            raise ValueError("it says neither an instant nor a length of time")


def _plain(mover: "Mover", path: Path, source: Input) -> object:
    return Filler(mover.resolver, mover.fetched).plain(mover.resolver.resolve(scope_path(path), source))


def _key(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"a key is a text or a whole number, not {_shown(value)}")
    text = str(value)
    if not text or len(text) > KEY_LIMIT:
        raise ValueError(f"a key has from 1 to {KEY_LIMIT} characters, and this has {len(text)}")
    return text


def instant_of(value: object, at: Instant) -> Instant:
    """An RFC 3339 text with its offset, as microseconds. Raises ValueError."""
    try:
        found = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        raise ValueError(f"an instant is a text like 2031-05-01T09:00:00Z, not {_shown(value)}") from None
    if found.tzinfo is None:
        raise ValueError(f"{_shown(value)} does not say its offset from UTC: end it with Z, or with +02:00")
    due_at = (found - _EPOCH) // _MICROSECOND
    if due_at - at > MOST_US:
        raise ValueError(f"{_shown(value)} is more than a hundred years away")
    return due_at


def length_of(value: object) -> int:
    """Seconds, or an ISO 8601 duration, as microseconds; below zero is none. Raises ValueError."""
    text = f"a length of time is a number of seconds or a duration like PT90S, not {_shown(value)}"
    if isinstance(value, bool):
        raise ValueError(text)  # noqa: TRY004  # all of them are caught as one
    if isinstance(value, str):
        try:
            value = msgspec.convert(value, timedelta) / timedelta(seconds=1)
        except msgspec.ValidationError:
            raise ValueError(text) from None
    if not isinstance(value, int | float) or value != value:  # noqa: PLR0124  # NaN
        raise ValueError(text)
    if value * 1_000_000 > MOST_US:
        raise ValueError(f"{_shown(value)} seconds are more than a hundred years")
    return round(max(value, 0) * 1_000_000)


def _shown(value: object) -> str:
    return repr(value)[:80]


def _open(mover: "Mover", row: WaitRow) -> None:
    found = _there_already(mover, row)
    if found is not None:
        _done(mover, row.path, found)
        return
    address = row.address
    draft = mover.draft
    if address is not None and not mail.stand_in_line(draft, mail.mailbox(draft, address), row.run, row.path):
        _misfit(mover, row.path, f"{MOST_WAITERS:,} steps wait for {row.name!r} here already, and no more may")
        return
    draft.waits[row.run, row.path] = row
    mover.count(live=1)
    if row.until_at is not None:
        draft.timers_put.append(Timer(row.run, row.path, _timer_of(row), row.until_at))
    mover.note("wait_opened", row.path, what=row.kind.value, name=row.name)


def _timer_of(row: WaitRow) -> TimerKind:
    return TimerKind.WAKE if row.kind is WaitKind.TIME else TimerKind.WAIT


def _there_already(mover: "Mover", row: WaitRow) -> Value | None:
    """What ends a wait as it opens: an instant that has passed, a signal that came early, the latest event."""
    draft = mover.draft
    match row.kind:
        case WaitKind.TIME:
            return NULL if row.until_at is not None and row.until_at <= draft.at else None
        case WaitKind.SIGNAL:
            assert row.address is not None  # noqa: S101  # signals have one
            signal = mail.take(draft, mail.mailbox(draft, row.address))
            return None if signal is None else _taken(mover, signal, row.path)
        case WaitKind.EVENT:
            told = mail.latest_told(draft, row.run, row.name)
            return None if told is None else payload_of(told)
        case WaitKind.APPROVAL | WaitKind.QUARANTINE:
            return None


def payload_of(told: Emitted) -> Value:
    return Inline(_pack(told.payload))  # as it came: JSON has no bytes, and no NaN


def _taken(mover: "Mover", signal: SignalRow, path: Path) -> Value:
    """Let a step have a signal, once and for all."""
    value = signal.value or NULL
    digests = blobs_of({VALUE: value})
    mover.draft.blob_refs.update(dict.fromkeys((mover.id, digest) for digest in digests))
    mover.draft.signals[signal.address, signal.id] = replace(signal, value=None, taken=(mover.id, path))
    return value


# Ending --------------------------------------------------------------------------------------------


def _done(mover: "Mover", path: Path, value: Value, status: str = SUCCESS) -> None:
    """The step has what it waited for."""
    mover.draft.values[mover.id, path, VALUE] = value
    mover.count(done=1)
    mover.node_done(path, StepSucceeded(status))


def _close(mover: "Mover", row: WaitRow, how: Outcome, who: str = "", choice: str = "") -> None:
    """It waits no more; its row is kept."""
    draft = mover.draft
    draft.waits[row.run, row.path] = replace(row, closed=Closed(how, draft.at, who, choice))
    if row.until_at is not None:
        draft.timers_drop.append((row.run, row.path, _timer_of(row)))
    mover.count(live=-1)
    mover.note("wait_ended", row.path, how=how.value, who=who, choice=choice)


def open_wait(mover: "Mover", path: Path) -> WaitRow | None:
    """The wait of a step that still waits, where anything may still happen."""
    row = mail.wait_of(mover.draft, mover.id, path)
    if row is None or row.closed is not None:
        return None
    return None if mover.is_dead(scope_path(path)) else row


def woke(mover: "Mover", path: Path) -> None:
    """The instant has come."""
    row = open_wait(mover, path)
    if row is not None:
        _close(mover, row, Outcome.ANSWERED)
        _done(mover, path, NULL)


def late(mover: "Mover", path: Path) -> None:
    """A step has waited in vain."""
    row = open_wait(mover, path)
    if row is None:
        return
    mail.leave(mover.draft, row)
    _close(mover, row, Outcome.TIMEOUT)
    _, _, node = mover.layout.node(path)
    if isinstance(node, WaitNode) and node.late is Late.GO_ON:
        _done(mover, path, NULL, TIMED_OUT)
    else:
        waited = timedelta(microseconds=mover.draft.at - row.opened_at)
        mover.node_failed(path, Failure(Code.TIMEOUT, f"{_in_vain(row)} came within {waited}", path=path))


def _in_vain(row: WaitRow) -> str:
    match row.kind:
        case WaitKind.SIGNAL:
            return f"no signal {row.name!r}" + (f" for {row.key!r}" if row.key else "")
        case WaitKind.EVENT:
            return f"no event {row.name!r}"
        case _:
            return f"no answer to {row.question!r}"


def signalled(mover: "Mover", path: Path, signal: SignalRow) -> bool:
    """Give a signal to a step that waits for it; False when that waits no more."""
    row = open_wait(mover, path)
    if row is None:
        return False
    _close(mover, row, Outcome.ANSWERED)
    _done(mover, path, _taken(mover, signal, path))
    return True


def told(mover: "Mover", event: Emitted) -> None:
    """Wake all who wait for an event of this type; it is there for those who come later."""
    draft = mover.draft
    draft.told[mover.id, event.type] = event
    box = mail.mailbox(draft, Address(mover.id, WaitKind.EVENT, event.type))
    if not box.waiting:
        return
    mail.put(draft, replace(box, waiting=()))
    for _, path in box.waiting:
        row = open_wait(mover, path)
        if row is not None:
            _close(mover, row, Outcome.ANSWERED)
            _done(mover, path, payload_of(event))


def decided(mover: "Mover", row: WaitRow, choice: str, comment: str, who: str) -> None:
    """A person has answered an approval."""
    at = _EPOCH + mover.draft.at * _MICROSECOND
    answer = {"choice": choice, "comment": comment, "who": who, "at": at}
    _close(mover, row, Outcome.ANSWERED, who, choice)
    _done(mover, row.path, Inline(_encode(answer), Encoding.JSON))


def stop_wait(mover: "Mover", path: Path) -> None:
    """Its run ends, or goes on without it."""
    row = mail.wait_of(mover.draft, mover.id, path)
    if row is not None and row.closed is None:
        mail.leave(mover.draft, row)
        _close(mover, row, Outcome.STOPPED)
