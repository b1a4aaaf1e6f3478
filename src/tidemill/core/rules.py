"""Rules that a task may have for its retries, its starts and its results. Lengths of time in seconds."""

from enum import Enum

from msgspec import Struct


class Backoff(Struct, frozen=True, omit_defaults=True):
    """The wait before a step is tried again, in seconds: doubled from ``first_s`` up to ``most_s``, then jittered."""

    first_s: float = 1.0
    most_s: float = 600.0
    spread: float = 0.5  # of a wait, this part is chance


class RetryRule(Struct, frozen=True, omit_defaults=True):
    """What differs by failure code, by its name: tries after the first, and waits; and how long it is tried in all."""

    by_code: dict[str, int] = {}
    backoffs: dict[str, Backoff] = {}
    within_s: float | None = None  # no try begins later than so long after the first failure


NO_RETRY_RULE = RetryRule()


class Rate(Struct, frozen=True, omit_defaults=True):
    """At most ``count`` starts in ``per_s`` seconds, for each value of ``key``."""

    count: int
    per_s: float
    key: str = ""  # as `TaskOptions.concurrency_key`


class CacheRule(Struct, frozen=True, omit_defaults=True):
    """A recorded result stands for ``lifetime_s`` seconds; another ``version`` knows nothing of it."""

    lifetime_s: float
    version: str = ""


class OnLost(Enum):
    """What becomes of a step under which too many workers died."""

    QUARANTINE = "quarantine"  # it waits for a person
    FAIL = "fail"


class OnActive(Enum):
    """What a submission gets while a run of its unique key is not final."""

    RETURN = "return"  # that run
    REFUSE = "refuse"  # a conflict, which names it


class SubmitRule(Struct, frozen=True, gc=False):
    """By what a submission finds a run that is there already. Lengths of time in microseconds."""

    key: str = ""  # the same key for the same target gives the same run
    lifetime: int = 0  # how long after its run's end a key is known
    unique: str = ""  # one run at a time
    on_active: OnActive = OnActive.RETURN
    debounce: int = 0  # the wait that each further submission with the key begins anew
    longest: int = 0  # from the first one to the start, however many come


NO_RULE = SubmitRule()  # of a submission that says nothing; the one of its kind
