"""What an exception means: one function turns any into a `Failure`."""

import re
import traceback
from itertools import islice
from pathlib import Path
from types import TracebackType

from tidemill.core.run import Code, Failure
from tidemill.core.texts import sendable
from tidemill.sdk.errors import DoesNotFitError, InvalidInputError, TransientError

_LIMIT = 2_000  # characters of a public message
_LOOKED_AT = 5 * _LIMIT  # characters of a text: to search megabytes for secrets takes seconds
_NAME_LIMIT = 200  # characters of the name of an error's class
_TRACEBACK_LIMIT = 32_000  # characters; with many or long texts the middle is left out
_VIOLATIONS_LIMIT, _VIOLATION_LIMIT = 100, 500  # how many, and characters of each
_OURS = str(Path(__file__).parents[1])
_SECRETS = (
    (re.compile(r"(?i)\b(passwo?r?d|secret|token|api.?key|authorization)(\W{1,3})(?:bearer\s+)?[^\s,;&]+"), r"\1\2…"),
    (re.compile(r"(?i)\bbearer\s+\S+"), "Bearer …"),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), "://…@"),
    (re.compile(r"(?<![\w:/.])(?:[A-Za-z]:)?[/\\](?:[\w.@+-]+[/\\])+"), "…/"),
)  # fmt: skip


class ToldError(Exception):
    """Its text says all: neither the name of its class nor lines of code help, for they would be ours."""


class NotAsDeclaredError(ToldError):
    """A task gave what its signature does not promise."""


def public_text(text: str) -> str:
    """A text for anybody: what looks like a secret is left out, and of a local path only the name stays."""
    text = text[:_LOOKED_AT]
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return _short(text, _LIMIT)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def classify(error: BaseException, *, told_to_stop: bool) -> Failure:
    """Why an attempt failed. Whatever is raised after the attempt was told to stop counts as cancelled.

    Nothing is raised, whatever the error's own methods do.
    """
    name = sendable(type(error).__name__)[:_NAME_LIMIT]
    try:
        return _classified(error, name, told_to_stop=told_to_stop)
    except BaseException:  # noqa: BLE001  # the error's own code raised: what is left is its name
        code = Code.CANCELLED if told_to_stop else Code.INTERNAL
        return Failure(code=code, message=f"{name}, whose text cannot be had", type=name)


def _classified(error: BaseException, name: str, *, told_to_stop: bool) -> Failure:
    code = Code.CANCELLED if told_to_stop else code_of(error)
    text = public_text(sendable(str(error)))
    if code is Code.INTERNAL and not isinstance(error, ToldError):
        text = f"{name}: {text}" if text else name
    return Failure(
        code=code,
        message=text or name,
        type=name,
        traceback="" if isinstance(error, ToldError) else _traceback(error),
        retry_after_s=_retry_after(error) if isinstance(error, TransientError) else None,
        violations=_violations(error) if isinstance(error, InvalidInputError) else (),
    )


def _traceback(error: BaseException) -> str:
    """From the task's own first line on: how we came to call it helps nobody. Short enough for any frame."""
    lines = traceback.format_exception(type(error), error, _of_the_task(error.__traceback__))
    text = sendable("".join(lines))
    if len(text) <= _TRACEBACK_LIMIT:
        return text
    half = _TRACEBACK_LIMIT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters are left out …\n{text[-half:]}"


def _of_the_task(frames: TracebackType | None) -> TracebackType | None:
    each = frames
    while each is not None and each.tb_frame.f_code.co_filename.startswith(_OURS):
        each = each.tb_next
    return each or frames


def _retry_after(error: TransientError) -> float | None:
    return None if error.retry_after_s is None else float(error.retry_after_s)


def _violations(error: InvalidInputError) -> tuple[tuple[str, str], ...]:
    some = islice(error.violations, _VIOLATIONS_LIMIT)
    return tuple(
        (_short(sendable(str(path)), _VIOLATION_LIMIT), _short(sendable(str(text)), _VIOLATION_LIMIT))
        for path, text in some
    )


def code_of(error: BaseException) -> Code:
    """The error's own ``code`` when it is one of ours; unknown exceptions are internal."""
    if type(error).__name__ == "CancelledError":  # asyncio's, which this layer does not import
        return Code.CANCELLED
    if isinstance(error, MemoryError):
        return Code.RESOURCE
    code = getattr(error, "code", None)
    try:
        code = code if isinstance(code, Code) else Code(code) if isinstance(code, str) else Code.INTERNAL
    except ValueError:
        return Code.INTERNAL
    return Code.INTERNAL if code is Code.WORKER_LOST else code  # that is said of code, not by it


def bad_input(name: str, error: DoesNotFitError) -> InvalidInputError:
    """An argument that does not fit its parameter."""
    return InvalidInputError("", [(f"$.{name}{path[1:]}", public_text(text)) for path, text in error.violations])
