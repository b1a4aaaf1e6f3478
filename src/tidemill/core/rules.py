"""Rules that a task may have for its retries, its starts and its results. Lengths of time in seconds."""

from msgspec import Struct


class Backoff(Struct, frozen=True, omit_defaults=True):
    """The wait before a step is tried again, in seconds: doubled from ``first_s`` up to ``most_s``, then jittered."""

    first_s: float = 1.0
    most_s: float = 600.0
    spread: float = 0.5  # of a wait, this part is chance


class Rate(Struct, frozen=True, omit_defaults=True):
    """At most ``count`` starts in ``per_s`` seconds, for each value of ``key``."""

    count: int
    per_s: float
    key: str = ""  # as `TaskOptions.concurrency_key`


class CacheRule(Struct, frozen=True, omit_defaults=True):
    """A recorded result stands for ``lifetime_s`` seconds; another ``version`` knows nothing of it."""

    lifetime_s: float
    version: str = ""
