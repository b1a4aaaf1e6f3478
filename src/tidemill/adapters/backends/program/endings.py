"""How a program ended, as what a task raises. Pure."""

import signal
from collections.abc import Iterable

import msgspec

from tidemill.core.run import Code
from tidemill.sdk.errors import InvalidInputError, PermanentError, ResourceError, TransientError
from tidemill.sdk.failures import NotAsDeclaredError, ToldError
from tidemill.wire.program import DoneFile, ErrorFile

TAIL_LINES = 5  # of stderr, for a program that says nothing else
LONGEST_TEXT = 1_500
EXIT_CODES = {65: Code.INVALID_INPUT, 75: Code.TRANSIENT}  # EX_DATAERR and EX_TEMPFAIL of sysexits.h


class ProgramFailedError(ToldError):
    """A program ended with an exit code other than 0, and does not say what that means."""


class ProgramKilledError(ToldError):
    """A signal ended it that nobody here had sent."""

    def __init__(self, number: int) -> None:
        self.number, self.name = number, signal_name(number)
        more = "; it may have run out of memory" if number == signal.SIGKILL else ""
        super().__init__(f"the program was killed by {self.name}{more}")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def check_exit(returncode: int, error: bytes, tail: Iterable[str]) -> None:
    """Raises what the end of a program means; nothing for one that ended well.

    Args:
        returncode: as of `subprocess`: minus the number of a signal that ended it.
        error: what is in its error file.
        tail: the last lines of its stderr.
    """
    if error.strip():
        raise _told(error, returncode)
    if returncode < 0:
        raise ProgramKilledError(-returncode)
    if returncode:
        raise _of_code(EXIT_CODES.get(returncode, Code.INTERNAL).value, _summary(returncode, tail))


def read_done(data: bytes) -> DoneFile:
    """Raises NotAsDeclaredError."""
    if not data.strip():
        return DoneFile()
    try:
        return msgspec.json.decode(data, type=DoneFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAsDeclaredError(f"the done file cannot be read: {error}") from None


def _summary(returncode: int, tail: Iterable[str]) -> str:
    last = "\n".join([*tail][-TAIL_LINES:]).strip()
    text = f"the program ended with exit code {returncode}"
    return f"{text}: {last[-LONGEST_TEXT:]}" if last else text


def _told(data: bytes, returncode: int) -> Exception:
    text = data.decode("utf-8", "backslashreplace").strip()
    if not text.startswith("{"):
        return _of_code(EXIT_CODES.get(returncode, Code.INTERNAL).value, text)
    try:
        file = msgspec.json.decode(data, type=ErrorFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return ProgramFailedError(f"the program failed, and its error file cannot be read: {error}")
    return _of_code(file.code, file.message, file)


def _of_code(code: str, message: str, file: ErrorFile | None = None) -> Exception:
    file = file or ErrorFile(message=message)
    match code:
        case Code.TRANSIENT.value:
            return _transient(message, file.retry_after_s)
        case Code.PERMANENT.value:
            return PermanentError(message)
        case Code.RESOURCE.value:
            return ResourceError(message)
        case Code.INVALID_INPUT.value:
            return InvalidInputError(message, [(each.path, each.message) for each in file.violations])
        case Code.INTERNAL.value:
            return ProgramFailedError(message)
        case _:
            known = "transient, permanent, resource, invalid_input, internal"
            return ProgramFailedError(f"{message} (its code {code!r} is unknown; the codes are {known})")


def _transient(message: str, retry_after_s: float | None) -> Exception:
    try:
        return TransientError(message, retry_after=retry_after_s)
    except ValueError as error:
        return ProgramFailedError(f"{message} (its error file cannot stand: {error})")
