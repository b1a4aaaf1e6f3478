"""What a check says about a worker."""

from collections.abc import Awaitable, Callable
from enum import Enum

from msgspec import Struct


class Need(Enum):
    """What becomes of the whole when a check cannot be made."""

    REQUIRED = "required"
    IF_OFFERED = "if offered"  # streams, large values: a worker may do without


class Outcome(Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class WrongError(Exception):
    """The worker does not do what the protocol says."""


class SkippedError(Exception):
    """This cannot be checked here."""


class Verdict(Struct, frozen=True):
    """``frames`` are the last ones before the end of the check, `<` from the worker and `>` to it."""

    id: str
    sentence: str
    need: Need
    outcome: Outcome
    reason: str = ""
    frames: tuple[str, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether the worker may be called conformant as far as this goes."""
        return self.outcome is Outcome.PASSED or (self.outcome is Outcome.SKIPPED and self.need is Need.IF_OFFERED)


Judge = Callable[..., Awaitable[None]]


class Check(Struct, frozen=True):
    """``judge`` gets the Exam, and raises WrongError or SkippedError."""

    id: str
    sentence: str
    judge: Judge
    need: Need = Need.REQUIRED


def expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise WrongError(otherwise)
