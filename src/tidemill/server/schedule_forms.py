"""What a schedule says, as people write it and as its row keeps it; all that is wrong is found at once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tidemill.core.due_words import instant_text, misspelt
from tidemill.core.ids import Instant, text_of
from tidemill.core.normalise import Violation
from tidemill.core.recurrence import FOR_EVER, SECOND_US, Cron, Every, Once, Rule, Terms
from tidemill.core.rows import Backfill, Call, Fire, Schedule
from tidemill.ports.almanac import Almanac, BadCronError, UnknownZoneError
from tidemill.server.problems import invalid
from tidemill.wire.schedules import BackfillView, FireView, ScheduleSpec, ScheduleView

YEAR_S = 366 * 86400
INPUT_LIMIT_BYTES = 64 * 1024
LONGEST_QUEUE = 1000
LATEST_YEAR = 9000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder().decode


class Reading:
    """Reads parts of a body, and notes each violation."""

    def __init__(self) -> None:
        self.wrong: list[Violation] = []

    def instant(self, text: str, place: str, default: Instant) -> Instant:
        if not text:
            return default
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.wrong.append((place, f"{text[:50]!r} is no instant like 2026-03-01T02:00:00Z"))
            return default
        if found.tzinfo is None:
            self.wrong.append((place, f"{text[:50]!r} lacks its offset: end it with Z, or with +01:00"))
            return default
        if not 1970 < found.year < LATEST_YEAR:
            self.wrong.append((place, f"lies between the years 1970 and {LATEST_YEAR}"))
            return default
        return (found - _EPOCH) // timedelta(microseconds=1)

    def within(self, value: float, place: str, least: float, most: float) -> None:
        if not least <= value <= most:
            self.wrong.append((place, f"is from {least:g} to {most:g}"))

    def check(self) -> None:
        """Raises RequestError with all that was wrong."""
        if self.wrong:
            raise invalid("invalid_body", tuple(self.wrong))


def terms_of(spec: ScheduleSpec, almanac: Almanac) -> Terms:
    """Raises RequestError."""
    reading = Reading()
    _check_zone(reading, spec.zone, almanac)
    rule = _rule(reading, spec, almanac)
    start_at = reading.instant(spec.start_at, "$.start_at", 0)
    end_at = reading.instant(spec.end_at, "$.end_at", FOR_EVER)
    if start_at > end_at:
        reading.wrong.append(("$.end_at", "comes before start_at"))
    reading.within(spec.queue_limit, "$.queue_limit", 1, LONGEST_QUEUE)
    reading.within(spec.catch_up_window_s, "$.catch_up_window_s", 0, 10 * YEAR_S)
    reading.within(spec.jitter_s, "$.jitter_s", 0, 86400)
    reading.check()
    return Terms(
        rule=rule,
        zone=spec.zone,
        start_at=start_at,
        end_at=end_at,
        overlap=spec.overlap,
        queue_limit=spec.queue_limit,
        catch_up=spec.catch_up,
        window_us=_us(spec.catch_up_window_s),
        jitter_us=_us(spec.jitter_s),
    )


def _check_zone(reading: Reading, zone: str, almanac: Almanac) -> None:
    try:
        almanac.check_zone(zone)
    except UnknownZoneError as error:
        reading.wrong.append(("$.zone", str(error)))


def _rule(reading: Reading, spec: ScheduleSpec, almanac: Almanac) -> Rule:
    if sum(map(bool, (spec.cron, spec.every_s, spec.at))) != 1:
        reading.wrong.append(("$", "give exactly one of cron, every_s and at"))
    if spec.anchor_at and not spec.every_s:
        reading.wrong.append(("$.anchor_at", "goes with every_s"))
    if spec.cron:
        try:
            return Cron(almanac.check_cron(spec.cron))
        except BadCronError as error:
            reading.wrong.append(("$.cron", str(error)))
    elif spec.every_s:
        reading.within(spec.every_s, "$.every_s", 1, 10 * YEAR_S)
        return Every(max(_us(spec.every_s), SECOND_US), reading.instant(spec.anchor_at, "$.anchor_at", 0))
    return Once(reading.instant(spec.at, "$.at", 0))


def input_of(spec: ScheduleSpec) -> bytes:
    """Raises RequestError."""
    try:
        data = _encode(_plain(spec.input))
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid("invalid_body", (("$.input", f"is kept as JSON: {error}"),)) from None
    if wrong := [(f"$.input{place}", what) for place, what in misspelt(spec.input)]:
        raise invalid("invalid_body", tuple(wrong[:20]))
    if len(data) > INPUT_LIMIT_BYTES:
        raise invalid("invalid_body", (("$.input", f"has at most {INPUT_LIMIT_BYTES:,} bytes; give a file instead"),))
    return data


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            raise TypeError("bytes are not; give a file, or a text")
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case _:
            return value


def input_from(call: Call) -> Any:
    return _decode(call.input)


def spec_of(row: Schedule) -> ScheduleSpec:
    """What was said, in its one form."""
    terms, call = row.terms, row.call
    rule: dict[str, Any] = {}
    match terms.rule:
        case Cron(expression=expression):
            rule = {"cron": expression}
        case Every(interval_us=interval, anchor_at=anchor):
            rule = {"every_s": interval / SECOND_US, "anchor_at": instant_text(anchor) if anchor else ""}
        case Once(due_at=due_at):
            rule = {"at": instant_text(due_at)}
    return ScheduleSpec(
        target=call.task or call.workflow,
        input=input_from(call),
        zone=terms.zone,
        start_at=instant_text(terms.start_at) if terms.start_at else "",
        end_at="" if terms.end_at == FOR_EVER else instant_text(terms.end_at),
        overlap=terms.overlap,
        queue_limit=terms.queue_limit,
        catch_up=terms.catch_up,
        catch_up_window_s=terms.window_us / SECOND_US,
        jitter_s=terms.jitter_us / SECOND_US,
        priority=call.priority,
        tags=call.tags,
        options=call.options,
        **rule,
    )


def view_of(row: Schedule, coming: Iterable[Instant], last: Fire | None = None) -> ScheduleView:
    status = "paused" if row.paused_at else "active" if row.due_at is not None else "over"
    return ScheduleView(
        name=row.name,
        spec=spec_of(row),
        status=status,
        revision=row.revision,
        created_at=instant_text(row.created_at),
        changed_at=instant_text(row.changed_at),
        next=tuple(map(instant_text, coming)),
        reason=row.reason,
        running=tuple(map(text_of, row.running)),
        waiting=tuple(map(instant_text, row.waiting)),
        backfill=_backfill_view(row.backfill) if row.backfill else None,
        last=fire_view(last) if last else None,
    )


def _backfill_view(backfill: Backfill) -> BackfillView:
    return BackfillView(
        from_at=instant_text(backfill.from_at),
        until_at=instant_text(backfill.until_at),
        done_until=instant_text(backfill.cursor_at),
        at_once=backfill.at_once,
        running=tuple(map(text_of, backfill.running)),
    )


def fire_view(fire: Fire) -> FireView:
    return FireView(
        number=fire.number,
        kind=fire.kind.value,
        cause=fire.cause.value,
        due_at=instant_text(fire.due_at),
        at=instant_text(fire.at),
        run=text_of(fire.run) if fire.run else "",
        detail=fire.detail,
        last_due_at=instant_text(fire.last_at) if fire.last_at else "",
        count=fire.count,
    )


def _us(seconds: float) -> int:
    return round(seconds * SECOND_US)
