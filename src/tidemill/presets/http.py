"""`tidemill.http`: one HTTP request."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tidemill.net.addresses import Allowed, allowed_of, refusal_in
from tidemill.net.requests import (
    AnswerTooLongError,
    Following,
    HttpRequest,
    TooManyRedirectsError,
    UrlRefusedError,
    follow,
    session_to,
)
from tidemill.presets.secrets import secret_of
from tidemill.sdk.errors import DefinitionError, InvalidInputError, PermanentError, TransientError

_LATER = (408, 425, 429)  # the same request may succeed soon; so may any answer from 500 on


@dataclass(frozen=True)
class HttpAnswer:
    """``data`` is the body of a JSON answer, ``text`` that of any; ``url`` is the last one after redirects."""

    status: int
    headers: dict[str, str]
    text: str
    url: str
    data: Any = None


@dataclass(frozen=True)
class HttpCall:
    """An HTTP request. Statuses from 400 on fail the call: 408, 425, 429 and those from 500 on as ``transient``.

    Args:
        allow: private addresses and networks that may be asked, such as ``"10.1.0.0/16"``, and hosts by their names.
            Others are refused, after each redirect too.
        secrets: what callers may name in ``secret_headers``; only their names travel.
        most_bytes: of an answer; a longer one fails.
        most_s: a caller may ask for less time, never for more.
    """

    allow: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    most_bytes: int = 10 * 1024 * 1024
    most_s: float = 300.0
    preset_name: str = "http"

    def __post_init__(self) -> None:
        allowed_by(self.allow)

    async def __call__(  # noqa: PLR0913  # the inputs of a task
        self,
        url: str,
        method: str = "GET",
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        json: Any = None,
        text: str | None = None,
        secret_headers: dict[str, str] | None = None,
        timeout_s: float = 30.0,
        accept: list[int] | None = None,
    ) -> HttpAnswer:
        """Make one HTTP request.

        Args:
            secret_headers: header to a text with ``{NAME}`` of a secret in it: ``{"Authorization": "Bearer {TOKEN}"}``.
            timeout_s: for all of it, redirects included.
            accept: statuses from 400 on that are an answer, and no failure.
        """
        if json is not None and text is not None:
            raise InvalidInputError("a request has one body: json or text")
        private = {name: secret_of(value, self.secrets) for name, value in (secret_headers or {}).items()}
        _check_headers({**(headers or {}), **private})
        body = _body(json, text)
        told = {**({"Content-Type": "application/json"} if json is not None else {}), **(headers or {})}
        request = HttpRequest(method.upper(), _url(url, query or {}), told, private, body)
        allowed = allowed_by(self.allow)
        async with opened(allowed, min(timeout_s, self.most_s)) as session:
            answer = await answered(session, request, allowed, self.most_bytes)
        check_status(answer, accept or ())
        return answer


@asynccontextmanager
async def opened(allowed: Allowed, timeout_s: float) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that connects to allowed addresses; what goes wrong on the way is raised as an error of a task."""
    try:
        async with session_to(allowed, timeout_s) as session:
            yield session
    except (aiohttp.InvalidURL, UrlRefusedError) as error:
        raise InvalidInputError(f"{error} is no URL" if isinstance(error, aiohttp.InvalidURL) else str(error)) from None
    except (TooManyRedirectsError, AnswerTooLongError) as error:
        raise PermanentError(str(error)) from None
    except TimeoutError:
        raise TransientError(f"no answer within {timeout_s:g} s") from None
    except aiohttp.ClientError as error:
        if refused := refusal_in(error):
            raise refused from None
        raise TransientError(f"the request failed: {type(error).__name__}: {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"the request cannot be made: {error}") from error


async def answered(
    session: aiohttp.ClientSession, request: HttpRequest, allowed: Allowed, most_bytes: int
) -> HttpAnswer:
    """The answer after redirects."""
    received = await follow(session, request, Following(allowed, most_bytes))
    text = received.body.decode(received.charset, "replace")
    parsed = None
    if received.content_type == "application/json" or received.content_type.endswith("+json"):
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
    return HttpAnswer(received.status, received.headers, text, received.url, parsed)


def allowed_by(texts: Sequence[str]) -> Allowed:
    """Raises DefinitionError for what is no address, no network and no name of a host."""
    try:
        return allowed_of(texts)
    except ValueError as error:
        raise DefinitionError(
            f"allow takes addresses, networks such as '10.0.0.0/8', and names of hosts: {error}"
        ) from None


def check_status(answer: HttpAnswer, accepted: Sequence[int]) -> None:
    """Raises TransientError or PermanentError for an answer that is none."""
    if answer.status < 400 or answer.status in accepted:
        return
    text = f"{URL(answer.url).host} answered {answer.status}: {answer.text[:500]}"
    if answer.status in _LATER or answer.status >= 500:
        after = answer.headers.get("Retry-After", "")
        is_length = after.isascii() and after.isdecimal() and len(after) < 9  # else a date, or nonsense
        raise TransientError(text, retry_after=float(after) if is_length else None)
    raise PermanentError(text)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not name or {*name, *value} & set("\r\n\0"):
            raise InvalidInputError("", [("$.headers", f"{name!r} is no header of one line")])


def _url(text: str, query: Mapping[str, str]) -> URL:
    try:
        return URL(text).update_query(query) if query else URL(text)
    except ValueError as error:
        raise InvalidInputError("", [("$.url", f"is no URL: {error}")]) from None


def _body(data: Any, text: str | None) -> bytes | None:
    if data is not None:
        return json.dumps(data).encode()
    return text.encode() if text is not None else None
