"""Everything that can be wrong with a request, as RFC 9457 problems. Each kind has one status and one title."""

from collections.abc import Mapping

from tidemill.core.errors import InputError
from tidemill.wire.api import Problem

KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body cannot be read"),
    "bad_request": (400, "The request cannot be understood"),
    "stale_signature": (400, "It was signed for another time"),
    "bad_signature": (401, "The signature is not right"),
    "wrong_host": (403, "This host name is not served"),
    "wrong_origin": (403, "Pages of other sites may not call this server"),
    "not_found": (404, "There is nothing here"),
    "unknown_run": (404, "No such run"),
    "no_graph": (404, "No graph of this digest was published"),
    "no_task": (404, "No worker has announced this task"),
    "unknown_schedule": (404, "No such schedule"),
    "unknown_worker": (404, "No worker of this id was ever here"),
    "unknown_queue": (404, "No task and no worker names this queue"),
    "unknown_step": (404, "No such step"),
    "unknown_value": (404, "No such value"),
    "unknown_artifact": (404, "No such artifact"),
    "unknown_blob": (404, "No such blob"),
    "unknown_watch": (404, "No such watch"),
    "no_webhook": (404, "No such webhook"),
    "no_hook": (404, "No such hook"),
    "no_endpoint": (404, "Nothing is served there"),
    "no_delivery": (404, "No such delivery"),
    "method_not_allowed": (405, "This method is not served here"),
    "conflict": (409, "It is not what it was"),
    "active": (409, "A run with this unique key is not over"),
    "not_possible": (409, "The run is past this"),
    "ambiguous": (409, "The name means several things"),
    "run_failed": (409, "The run failed"),
    "run_cancelled": (409, "The run was cancelled"),
    "run_halted": (409, "The run was halted by a fault of the server; a person decides"),
    "too_large": (413, "Too large"),
    "unsupported_media_type": (415, "This content type is not taken"),
    "bad_range": (416, "The range lies outside"),
    "too_many": (422, "There are as many as there may be"),
    "invalid_body": (422, "The body does not have the right form"),
    "no_child": (422, "This run cannot start another"),
    "invalid_input": (422, "The input does not fit"),
    "unknown_signal": (422, "The workflow waits for no such signal"),
    "unknown_task": (422, "No worker has announced this task"),
    "unknown_workflow": (422, "No workflow of this name was published"),
    "unknown_graph": (422, "No graph of this digest was published"),
    "missing_blob": (422, "The input names bytes that were not uploaded"),
    "damaged": (422, "What arrived is not what its digest says"),
    "bad_graph": (422, "The graph cannot be published"),
    "mailbox_full": (429, "Too many signals wait to be taken"),
    "internal": (500, "This is a fault of the server"),
    "unavailable": (503, "Not now"),
}


class RequestError(InputError):
    """A request that is answered with a problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.headers = dict(headers or {})


def problem(kind: str, detail: str = "") -> Problem:
    """``kind`` is a key of KINDS."""
    status, title = KINDS[kind]
    return Problem(kind, title, status, detail)


def refuse(kind: str, detail: str = "", headers: Mapping[str, str] | None = None) -> RequestError:
    return RequestError(problem(kind, detail), headers)


def invalid(kind: str, violations: tuple[tuple[str, str], ...]) -> RequestError:
    """A body or input with all that is wrong with it, place by place."""
    status, title = KINDS[kind]
    detail = "; ".join(f"{path}: {what}" for path, what in violations[:5])
    more = f"; and {len(violations) - 5} more" if len(violations) > 5 else ""
    return RequestError(Problem(kind, title, status, detail + more, violations=violations))


def unknown(kind: str, name: str, nearest: tuple[str, ...]) -> RequestError:
    """A name that is not known, with those that look like it."""
    status, title = KINDS[kind]
    hint = f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
    return RequestError(Problem(kind, title, status, f"{name[:200]!r} is not known here{hint}", nearest=nearest))
