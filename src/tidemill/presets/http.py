"""`tidemill.http`: one HTTP request."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from yarl import URL

from tidemill.presets.addresses import Network, PrivateAddressError, PublicResolver, check_literal, networks_of
from tidemill.presets.secrets import secret_of
from tidemill.sdk.errors import InvalidInputError, PermanentError, TransientError

MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_OWN = ("authorization", "cookie")  # of one origin
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
class HttpRequest:
    """A request on its way through redirects. ``private`` headers are for its first origin only."""

    method: str
    url: URL
    headers: dict[str, str]
    private: dict[str, str]
    body: bytes | None


@dataclass(frozen=True)
class HttpCall:
    """An HTTP request. Statuses from 400 on fail the call: 408, 425, 429 and those from 500 on as ``transient``.

    Args:
        allow: private addresses and networks that may be asked, such as ``"10.1.0.0/16"``. Others are refused, after
            each redirect too.
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
        networks_of(self.allow)

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
        async with opened(networks_of(self.allow), min(timeout_s, self.most_s)) as session:
            answer = await follow(session, request, networks_of(self.allow), self.most_bytes)
        check_status(answer, accept or ())
        return answer


@asynccontextmanager
async def opened(allowed: Sequence[Network], timeout_s: float) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that connects to allowed addresses; what goes wrong on the way is raised as an error of a task."""
    connector = aiohttp.TCPConnector(resolver=PublicResolver(allowed), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True) as session:
            yield session
    except aiohttp.InvalidURL as error:
        raise InvalidInputError(f"{error} is no URL") from None
    except TimeoutError:
        raise TransientError(f"no answer within {timeout_s:g} s") from None
    except aiohttp.ClientError as error:
        if refused := _refusal(error):
            raise refused from None
        raise TransientError(f"the request failed: {type(error).__name__}: {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"the request cannot be made: {error}") from error


async def follow(
    session: aiohttp.ClientSession, request: HttpRequest, allowed: Sequence[Network], most_bytes: int
) -> HttpAnswer:
    """The answer after redirects, each of which is checked as the first address was."""
    for _ in range(MOST_REDIRECTS + 1):
        check_url(request.url, allowed)
        async with session.request(
            request.method,
            request.url,
            headers={**request.headers, **request.private},
            data=request.body,
            allow_redirects=False,
        ) as response:
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or target is None:
                return await _answer(response, most_bytes)
            url = request.url.join(URL(target))
            check_url(url, allowed)
            request = _redirected(request, response.status, url)
    raise PermanentError(f"more than {MOST_REDIRECTS} redirects; the last one led to {request.url.host}")


def check_url(url: URL, allowed: Sequence[Network]) -> None:
    """Raises InvalidInputError, or PrivateAddressError."""
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidInputError(
            f"{url.scheme or 'no scheme'} is not asked; give a URL that begins with https:// or http://"
        )
    check_literal(url.host, allowed)


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


async def read_most(content: aiohttp.StreamReader, most_bytes: int) -> bytes:
    """Raises PermanentError for more."""
    parts, size = [], 0
    async for part in content.iter_chunked(64 * 1024):
        size += len(part)
        if size > most_bytes:
            raise PermanentError(f"the answer is longer than {most_bytes:,} bytes")
        parts.append(part)
    return b"".join(parts)


async def _answer(response: aiohttp.ClientResponse, most_bytes: int) -> HttpAnswer:
    data = await read_most(response.content, most_bytes)
    text = data.decode(response.charset or "utf-8", "replace")
    parsed = None
    if response.content_type == "application/json" or response.content_type.endswith("+json"):
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
    return HttpAnswer(response.status, dict(response.headers), text, str(response.url), parsed)


def _redirected(request: HttpRequest, status: int, url: URL) -> HttpRequest:
    if url.origin() != request.url.origin():
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        request = replace(request, private={}, headers=kept)
    if status == 303 or (status in (301, 302) and request.method == "POST"):
        request = replace(request, method="GET", body=None)
    return replace(request, url=url)


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


def _refusal(error: BaseException) -> PrivateAddressError | None:
    """The refusal of our resolver, wherever aiohttp has put it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PrivateAddressError):
            return seen
        inner = getattr(seen, "os_error", None)
        if isinstance(inner, PrivateAddressError):
            return inner
        seen = seen.__cause__ or seen.__context__
    return None
