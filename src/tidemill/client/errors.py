"""What a client raises, by what its caller can do."""

from tidemill.core.errors import ConflictError, InputError, InternalError, TidemillError, UnavailableError
from tidemill.core.run import Code, Failure
from tidemill.sdk.errors import InvalidInputError
from tidemill.wire.api import Problem


class ServerUnreachableError(UnavailableError):
    """Nobody answers at the address, or the connection broke. ``fact`` is the text without advice for programs."""

    def __init__(self, url: str, reason: str) -> None:
        self.fact = f"no server answers at {url}: {reason}"
        super().__init__(
            f"{self.fact}. Start one with `tidemill server` or `tidemill dev`, or give the client the "
            f'address of yours: Client("http://host:7070")'
        )
        self.url, self.reason = url, reason


class NotTidemillError(UnavailableError):
    """Something else answers at the address."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"what answers at {url} is no Tidemill server: it said {status} without a reason that we know")
        self.url, self.status = url, status


class ServerBusyError(UnavailableError):
    """The server is there and cannot take this now."""


class RefusedError(InputError):
    """The server does not take this request. ``violations`` are (JSON path, what is wrong)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(text_of(problem))
        self.problem = problem
        self.type, self.violations, self.nearest = problem.type, problem.violations, problem.nearest


class InputRefusedError(RefusedError, InvalidInputError):
    """An input does not fit its task: what `tidemill.InvalidInputError` catches."""


class UnknownTaskError(RefusedError):
    """No worker has announced a task of this name; ``nearest`` are names that look like it."""


class NotFoundError(RefusedError):
    """There is no such run, step, blob, ..."""


class AlreadySubmittedError(ConflictError):
    """Another run was submitted under this id."""


class ServerFaultError(InternalError):
    """The server ran into a fault of its own; its log says more."""


class RunFailedError(TidemillError):
    """The run ended in failure. ``violations`` are (JSON path, what is wrong), for an input that did not fit."""

    def __init__(self, run: str, failure: Failure) -> None:
        at = f" at {failure.path}" if failure.path else ""
        super().__init__(f"run {run} failed{at}: {failure.message or failure.type} ({failure.code.value})")
        self.run = run
        self.code: Code = failure.code
        self.message, self.path = failure.message, failure.path
        self.type, self.traceback = failure.type, failure.traceback
        self.violations = failure.violations


class StreamRestartedError(ConflictError):
    """An attempt that had streamed items failed, and the next one (``epoch``) streams anew: begin the stream again."""

    def __init__(self, run: str, epoch: int) -> None:
        super().__init__(
            f"the stream of run {run} began anew with attempt {epoch}: items read so far are superseded; read it "
            "again, or give stream(on_restart=…) what takes them back"
        )
        self.run, self.epoch = run, epoch


class RunCancelledError(TidemillError):
    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run} was cancelled" + (f": {reason}" if reason else ""))
        self.run, self.reason = run, reason


class RunHaltedError(InternalError):
    """The server could not go on with the run; a person decides."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run} was halted by a fault of the server: {reason}")
        self.run, self.reason = run, reason


_KINDS: dict[str, type[RefusedError]] = {
    "invalid_input": InputRefusedError,
    "unknown_task": UnknownTaskError,
    "no_task": UnknownTaskError,
}


def text_of(problem: Problem) -> str:
    return f"{problem.title}: {problem.detail}" if problem.detail else problem.title


def error_of(problem: Problem) -> TidemillError:
    """The error that a problem stands for."""
    match problem.status:
        case 404:
            return _KINDS.get(problem.type, NotFoundError)(problem)
        case 409:
            return AlreadySubmittedError(text_of(problem))
        case 429 | 502 | 503 | 504:
            return ServerBusyError(text_of(problem))
        case status if status >= 500:
            return ServerFaultError(text_of(problem))
        case _:
            return _KINDS.get(problem.type, RefusedError)(problem)
