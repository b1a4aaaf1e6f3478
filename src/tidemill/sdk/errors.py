"""What a task raises to say what kind of failure it is, and what a definition raises when it cannot stand."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from tidemill.core.errors import InputError, InternalError, TidemillError, UnavailableError
from tidemill.core.run import Code, Failure

LONGEST_WAIT_S = 10 * 365 * 86400


class TransientError(UnavailableError):
    """The same call may succeed soon. It is tried again by the task's retries, not before ``retry_after``.

    Args:
        retry_after: in seconds, from 0 up.
    Raises:
        TypeError, ValueError: ``retry_after`` is no length of time.
    """

    code: ClassVar[Code] = Code.TRANSIENT

    def __init__(self, message: str = "", *, retry_after: float | timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = None if retry_after is None else _wait_of(retry_after)


def _wait_of(given: float | timedelta) -> float:
    length: object = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(length, bool) or not isinstance(length, int | float):
        raise TypeError(f"retry_after is a number of seconds or a timedelta, not {given!r}")
    if not 0 <= length <= LONGEST_WAIT_S:
        raise ValueError(f"retry_after is from 0 seconds up to ten years, not {given!r}")
    return float(length)


class ResourceError(UnavailableError):
    """Something ran out: memory, disk, a licence. It is tried again by the task's retries."""

    code: ClassVar[Code] = Code.RESOURCE


class PermanentError(InputError):
    """The same call will fail again. It is not retried."""

    code: ClassVar[Code] = Code.PERMANENT


class InvalidInputError(InputError):
    """The input is wrong. It is not retried.

    Args:
        violations: (JSON path, what is wrong there), as many as are known: ``("$.width", "must be positive")``.
    """

    code: ClassVar[Code] = Code.INVALID_INPUT

    def __init__(self, message: str = "", violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message or "; ".join(f"{path}: {text}" for path, text in violations))
        self.violations = tuple(violations)


class CancelledRunError(UnavailableError):
    """``ctx.raise_if_cancelled()`` found that the attempt is to stop."""

    code: ClassVar[Code] = Code.CANCELLED


class DefinitionError(InputError, TypeError):
    """A task or workflow that cannot be declared as it is written; the text says what to write instead."""


class DoesNotFitError(InputError):
    """A value that is not of its declared type; ``path`` leads to the place inside it.

    ``violations`` are all that are known, (path, what is wrong there): a validator may have found several.
    """

    def __init__(self, reason: str, path: str = "$", violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(f"{reason} (at {path})" if path != "$" else reason)
        self.reason, self.path = reason, path
        self.violations = tuple(violations) or ((path, reason),)


class NoLocalCopyError(UnavailableError):
    """A file whose bytes are not on this machine."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the bytes of {name!r} are not on this machine: inside a task they are, and a client downloads them first"
        )


class EscapeError(InputError, ValueError):
    """A name that leads out of the attempt's folder."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} leads out of the task's folder; use a relative name without '..'")
        self.name = name


class RunFailedError(TidemillError):
    """The run ended in failure. ``violations`` are (JSON path, what is wrong), for an input that did not fit."""

    def __init__(self, run: str, failure: Failure) -> None:
        at = f" at {failure.path}" if failure.path else ""
        super().__init__(f"run {run} failed{at}: {failure.text}")
        self.run, self.failure = run, failure
        self.code: Code = failure.code
        self.message, self.path = failure.message, failure.path
        self.type, self.traceback = failure.type, failure.traceback
        self.violations = failure.violations


class RunCancelledError(TidemillError):
    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run} was cancelled" + (f": {reason}" if reason else ""))
        self.run, self.reason = run, reason


class RunHaltedError(InternalError):
    """The server could not go on with the run; a person decides."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run} was halted by a fault of the server: {reason}")
        self.run, self.reason = run, reason


class SharingError(InputError):
    """A store or a channel refused: the value is of another type, there is no room, or its run has ended.

    ``kind`` says which, as problems of the API do: ``invalid_input``, ``too_many``, ``not_possible``; and ``blocking``,
    where async code has to await.
    """

    code: ClassVar[Code] = Code.PERMANENT

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
