"""What a client raises, by what its caller can do."""

from tidemill.core.errors import ConflictError, InputError, InternalError, TidemillError, UnavailableError
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


class BadAddressError(InputError, ValueError):
    """What is given as the address of a server is none."""

    def __init__(self, url: object) -> None:
        scheme, mark, _ = url.partition("://") if isinstance(url, str) else ("", "", "")
        given = f"with {scheme[:20]}://" if mark else "without either"  # what follows may hold a secret
        super().__init__(
            f"the address of a server begins with http:// or https://, as http://host:7070 does, not {given}"
        )


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
    """Another run was submitted under this id or key, or one with the same unique key is active."""


class WrongStatusError(ConflictError):
    """The run does not stand as this needs it; the text says how it does."""


class ServerFaultError(InternalError):
    """The server ran into a fault of its own; its log says more."""


class StreamRestartedError(ConflictError):
    """An attempt that had streamed items failed, and the next one (``epoch``) streams anew: begin the stream again."""

    def __init__(self, run: str, epoch: int) -> None:
        super().__init__(
            f"the stream of run {run} began anew with attempt {epoch}: items read so far are superseded; read it "
            "again, or give stream(on_restart=…) what takes them back"
        )
        self.run, self.epoch = run, epoch


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
        case 409 if problem.type == "not_possible":
            return WrongStatusError(text_of(problem))
        case 409:
            return AlreadySubmittedError(text_of(problem))
        case 429 | 502 | 503 | 504:
            return ServerBusyError(text_of(problem))
        case status if status >= 500:
            return ServerFaultError(text_of(problem))
        case _:
            return _KINDS.get(problem.type, RefusedError)(problem)
