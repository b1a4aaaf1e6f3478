"""Bodies of the client API that hold back, change and end: one run or many, tasks, queues, workers."""

from enum import Enum

from msgspec import Struct, field


class CancelRequest(Struct, frozen=True):
    """``id``: sent again under it, it is one cancel. Another one that comes while the run closes ends that."""

    reason: str = ""
    id: str = ""


class PauseView(Struct, frozen=True, omit_defaults=True):
    """``kind`` is task, queue or worker."""

    kind: str
    name: str
    is_paused: bool = True
    since: str = ""
    by: str = ""
    reason: str = ""


class PauseRequest(Struct, frozen=True):
    """Of a run, a task, a queue or a worker; both are shown to those who ask why something waits."""

    by: str = ""
    reason: str = ""


class ResumeRequest(Struct, frozen=True):
    by: str = ""


class RunChange(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Of a run that is not over. ``tags`` are added or replaced, ``untag`` names those to take away."""

    priority: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    untag: tuple[str, ...] = ()


class PauseList(Struct, frozen=True):
    pauses: tuple[PauseView, ...]


class BulkAction(Enum):
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    SET = "set"
    REMOVE = "remove"


class BulkRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One bite of all runs that stand so that ``action`` is for them, and that fit the rest; newest first.

    Send it again with ``before`` until the answer says that there are no more. Twice the same does no harm.
    """

    action: BulkAction
    workflow: str = ""
    statuses: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)  # a run has all of them
    older_than_s: float = 0.0
    dry_run: bool = False  # say which, and touch none
    before: str = ""
    by: str = ""
    reason: str = ""
    change: RunChange | None = None  # of the action set
