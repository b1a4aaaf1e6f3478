"""Parameters of requests: parts of the path and of the query, read once, with clear errors."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.requests import Request

from tidemill.core.ids import BadIdError, Digest, RunId, parse_digest, parse_run_id
from tidemill.core.rows import Keys
from tidemill.core.run import Run
from tidemill.core.statuses import UnknownStatusError
from tidemill.ports.store import Queries
from tidemill.server.problems import refuse


@dataclass(frozen=True)
class Query:
    """One query parameter, as OpenAPI tells of it."""

    name: str
    summary: str
    type: str = "string"
    is_list: bool = False


def run_id(request: Request) -> RunId:
    try:
        return parse_run_id(request.path_params["run"])
    except BadIdError as error:
        raise refuse("unknown_run", str(error)) from None


def digest(request: Request, kind: str) -> Digest:
    try:
        return parse_digest(request.path_params["digest"])
    except BadIdError as error:
        raise refuse(kind, str(error)) from None


def statuses(request: Request, ours: Callable[[Iterable[str]], tuple[str, ...]]) -> tuple[str, ...]:
    """What ?status= says, in any of the words for it; () when it says nothing."""
    try:
        return ours(request.query_params.getlist("status"))
    except UnknownStatusError as error:
        raise refuse("bad_request", f"?status=: {error}") from None


async def known_run(request: Request, queries: Queries) -> Run:
    """The run that the path names. Raises RequestError."""
    found = await find_run(run_id(request), queries)
    if found is None:
        raise refuse("unknown_run", f"no run {request.path_params['run']}")
    return found


async def find_run(run: RunId, queries: Queries) -> Run | None:
    found = (await queries.rows(Keys(runs=[run]))).runs.get(run)
    return None if found is None or found.hidden is not None else found


def number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number from 0; above ``most`` it is ``most``."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise refuse("bad_request", f"?{name}= is a whole number from 0, not {text[:50]!r}")
    return min(int(text), most)


def seconds(request: Request, name: str, most: float) -> float:
    text = request.query_params.get(name, "") or "0"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise refuse("bad_request", f"?{name}= is a number of seconds, not {text[:50]!r}")
    return min(value, most)


def pairs(request: Request, name: str) -> tuple[tuple[str, str], ...]:
    """Each ``?name=key=text``."""
    found = []
    for told in request.query_params.getlist(name):
        key, equals, text = told.partition("=")
        if not key or not equals:
            raise refuse("bad_request", f"?{name}= is name=text, not {told[:50]!r}")
        found.append((key, text))
    return tuple(found)


def follows(request: Request, default: str = "true") -> bool:
    """Whether ?follow= asks for a stream that goes on."""
    text = request.query_params.get("follow", default)
    if text not in ("true", "false"):
        raise refuse("bad_request", f"?follow= is true or false, not {text[:50]!r}")
    return text == "true"


def flag(request: Request, name: str) -> bool:
    """A choice that is off unless it says ``true``."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise refuse("bad_request", f"?{name}= is true or false, not {text[:50]!r}")
    return text == "true"


def cursor(request: Request) -> int:
    """Where to go on: ?after=, or what a browser sends when it reconnects."""
    last = request.headers.get("last-event-id", "")
    if last.isascii() and last.isdecimal() and len(last) < 20:
        return int(last)
    return number(request, "after", 0, 2**62)
