"""`Batch`: a function over lists that many single calls share; `gathering` brings them together."""

import re
from dataclasses import dataclass
from datetime import timedelta

from tidemill.sdk.errors import DefinitionError

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Batch:
    """Calls that run together: up to ``size``, or as many as came within ``wait`` of the first.

    The function takes lists and gives a list, one element for each call; callers see single values. An element may be
    an exception, or a `Failure`: then that call fails, alone. When the function raises, halves of the calls are tried
    again, so that only those fail that make it fail; a TransientError is everybody's.

    Args:
        size: calls at once, at most; the worker must be able to hold as many attempts.
        wait: ``"20ms"``, ``"1.5s"``, seconds or a timedelta.
    """

    size: int
    wait: str | float | timedelta = "20ms"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise DefinitionError(f"a batch holds 1 call or more, not {self.size}")
        if self.wait_s < 0:
            raise DefinitionError(f"a batch cannot wait for {self.wait!r}")

    @property
    def wait_s(self) -> float:
        if isinstance(self.wait, timedelta):
            return self.wait.total_seconds()
        if isinstance(self.wait, int | float):
            return float(self.wait)
        if (found := _LENGTH.fullmatch(self.wait.strip())) is None:
            raise DefinitionError(f"{self.wait!r} is no length of time; write '20ms', '1.5s' or '2m'")
        return float(found[1]) * _UNITS[found[2]]
