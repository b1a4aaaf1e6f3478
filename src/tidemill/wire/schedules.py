"""Bodies of the API for schedules, under /api/v1/schedules. Instants are RFC 3339 with an offset; "" is none."""

from typing import Any

from msgspec import Struct, field

from tidemill.core.graph import NodeOptions
from tidemill.core.recurrence import CatchUp, Overlap


class ScheduleSpec(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a schedule says: a ``target`` (a task's or workflow's name), and one of ``cron``, ``every_s`` and ``at``.

    In ``input``, the texts ``$due_at``, ``$due_date`` and ``$schedule`` stand for the instant in UTC, its date in
    ``zone``, and the schedule's name.
    """

    target: str
    input: Any = None
    cron: str = ""  # five fields, six with seconds first, or @daily and the like; read in ``zone``
    every_s: float = 0.0
    anchor_at: str = ""  # an instant at which ``every_s`` is due; 1970 in UTC when it is not said
    at: str = ""  # once
    zone: str = "UTC"  # of the IANA database
    start_at: str = ""  # the first and the last instant that may be due
    end_at: str = ""
    overlap: Overlap = Overlap.SKIP
    queue_limit: int = 10
    catch_up: CatchUp = CatchUp.LAST
    catch_up_window_s: float = 86400.0
    jitter_s: float = 0.0
    priority: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    options: NodeOptions = NodeOptions()  # of a single task


class FireView(Struct, frozen=True, omit_defaults=True):
    """What became of a due instant. Several that were missed in a row are one line, up to ``last_due_at``."""

    number: int
    kind: str  # started, waits, skipped, missed, refused, there (it had a run already)
    cause: str  # rule, trigger, backfill
    due_at: str
    at: str
    run: str = ""
    detail: str = ""
    last_due_at: str = ""
    count: int = 1


class BackfillView(Struct, frozen=True):
    from_at: str
    until_at: str
    done_until: str
    at_once: int
    running: tuple[str, ...]


class ScheduleView(Struct, frozen=True, omit_defaults=True):
    """``next``: due instants to come; jitter may have each fire a little later."""

    name: str
    spec: ScheduleSpec
    status: str  # active, paused, over
    revision: int
    created_at: str
    changed_at: str
    next: tuple[str, ...] = ()
    reason: str = ""  # of the pause
    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()  # due instants
    backfill: BackfillView | None = None
    last: FireView | None = None


class SchedulePage(Struct, frozen=True, omit_defaults=True):
    """Each with its next instant alone. ``next``: pass as ?after= for the page after it."""

    schedules: tuple[ScheduleView, ...]
    next: str = ""


class PauseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    reason: str = ""


class TriggerRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``due_at``: for this instant instead of now; one that has a run gives that. ``overlap``: for this once."""

    due_at: str = ""
    overlap: Overlap | None = None


class BackfillRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Runs for each due instant of a range, both ends included, that has none yet."""

    from_at: str
    until_at: str
    at_once: int = 1
    dry_run: bool = False


class DueView(Struct, frozen=True, omit_defaults=True):
    due_at: str
    run: str = ""  # that it has already


class DueList(Struct, frozen=True):
    """``more``: whether others follow."""

    due: tuple[DueView, ...]
    more: bool = False


class FirePage(Struct, frozen=True):
    """Newest first. ``next``: pass as ?before= for older ones; 0 when there are none."""

    fires: tuple[FireView, ...]
    next: int = 0
