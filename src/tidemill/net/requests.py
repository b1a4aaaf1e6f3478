"""One HTTP request to a URL of somebody else's: through redirects that are checked one by one, with a capped answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from tidemill.core.errors import InputError
from tidemill.net.addresses import Allowed, PublicResolver, check_literal

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
FAITHFUL = (307, 308)  # keep method and body
_OWN = ("authorization", "cookie")  # of one origin


class UrlRefusedError(InputError):
    """No URL that may be asked."""

    code = "invalid_input"


class TooManyRedirectsError(InputError):
    code = "permanent"


class AnswerTooLongError(InputError):
    code = "permanent"


@dataclass(frozen=True)
class HttpRequest:
    """A request on its way through redirects. ``private`` headers are for its first origin only."""

    method: str
    url: URL
    headers: dict[str, str]
    private: dict[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Received:
    """An answer; ``is_whole`` is False when it was cut. ``url`` is the last one after redirects."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    charset: str = "utf-8"
    content_type: str = ""
    is_whole: bool = True


@dataclass(frozen=True)
class Following:
    """``most_bytes`` of an answer; a longer one fails, or is ``cut``. ``redirects``: statuses that are followed."""

    allowed: Allowed
    most_bytes: int
    redirects: Sequence[int] = REDIRECTS
    most_redirects: int = MOST_REDIRECTS
    cut: bool = False


def session_to(allowed: Allowed, timeout_s: float) -> aiohttp.ClientSession:
    """A session that connects to allowed addresses only, and keeps no cookies."""
    connector = aiohttp.TCPConnector(resolver=PublicResolver(allowed), use_dns_cache=False)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        auto_decompress=True,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def follow(session: aiohttp.ClientSession, request: HttpRequest, how: Following) -> Received:
    """The answer after redirects, each of which is checked as the first address was."""
    for _ in range(how.most_redirects + 1):
        check_url(request.url, how.allowed)
        async with session.request(
            request.method,
            request.url,
            headers={**request.headers, **request.private},
            data=request.body,
            allow_redirects=False,
        ) as response:
            target = response.headers.get("Location")
            if response.status not in how.redirects or target is None:
                return await _received(response, how)
            url = request.url.join(URL(target))
            check_url(url, how.allowed)
            request = _redirected(request, response.status, url)
    raise TooManyRedirectsError(f"more than {how.most_redirects} redirects; the last one led to {request.url.host}")


def check_url(url: URL, allowed: Allowed) -> None:
    """Raises UrlRefusedError, or PrivateAddressError."""
    if url.scheme not in ("http", "https") or not url.host:
        raise UrlRefusedError(
            f"{url.scheme or 'no scheme'} is not asked; give a URL that begins with https:// or http://"
        )
    check_literal(url.host, allowed)


async def read_most(content: aiohttp.StreamReader, most_bytes: int) -> bytes:
    """Raises AnswerTooLongError for more."""
    data = await _read(content, most_bytes)
    if len(data) > most_bytes:
        raise AnswerTooLongError(f"the answer is longer than {most_bytes:,} bytes")
    return data


async def _received(response: aiohttp.ClientResponse, how: Following) -> Received:
    if how.cut:
        data = await _read(response.content, how.most_bytes)
    else:
        data = await read_most(response.content, how.most_bytes)
    return Received(
        status=response.status,
        headers=dict(response.headers),
        body=data[: how.most_bytes],
        url=str(response.url),
        charset=response.charset or "utf-8",
        content_type=response.content_type,
        is_whole=len(data) <= how.most_bytes,
    )


async def _read(content: aiohttp.StreamReader, most_bytes: int) -> bytes:
    """All of it, or a little more than ``most_bytes``."""
    parts, size = [], 0
    async for part in content.iter_chunked(64 * 1024):
        size += len(part)
        parts.append(part)
        if size > most_bytes:
            break
    return b"".join(parts)


def _redirected(request: HttpRequest, status: int, url: URL) -> HttpRequest:
    if url.origin() != request.url.origin():
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        request = replace(request, private={}, headers=kept)
    if status == 303 or (status in (301, 302) and request.method == "POST"):
        request = replace(request, method="GET", body=None)
    return replace(request, url=url)
