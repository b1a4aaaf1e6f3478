"""What holds for every request, on loopback too: a web page must not be able to run tasks.

- Host is a name that this server answers to, so that a page cannot reach it by a name of its own (DNS rebinding).
- Origin, where a browser sends one, is this server itself. There is no CORS.
- What changes something has a content type that no form can send.
"""

import ipaddress
from collections.abc import Collection
from http import HTTPMethod
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.server.bodies import OCTETS, answer_problem, media_type
from tidemill.server.problems import RequestError, refuse
from tidemill.wire.api import JSON, MSGPACK

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAFE = (HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS)
TYPES = (JSON, MSGPACK, OCTETS)
FORM, FORMS = "application/x-www-form-urlencoded", "/approve/"  # whose paths hold what nobody else can know
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guard:
    """Wraps the whole application.

    Args:
        hosts: names, without port, that are served besides loopback; "*" serves any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in (*LOOPBACK, *hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except RequestError as error:
            await _turn_away(error, scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._serves(host):
            raise refuse("wrong_host", f"{host[:100]!r} is not served; the setting for allowed hosts adds names")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise refuse("wrong_origin", f"{origin[:100]!r} is not this server")
        if scope["type"] == "http" and scope["method"] not in SAFE:
            media = media_type(Request(scope))
            if media not in TYPES and not (media == FORM and scope["path"].startswith(FORMS)):
                raise refuse("unsupported_media_type", f"send a content type: {', '.join(TYPES)}; not {media[:100]!r}")

    def _serves(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or "*" in self._hosts or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _turn_away(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer_problem(error.problem, error.headers)(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await answer_problem(error.problem, error.headers)(_as_http(scope), receive, _denial(send))
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:120]})


def _as_http(scope: Scope) -> Scope:
    return {**scope, "type": "http", "method": "GET"}


def _denial(send: Send) -> Send:
    async def sending(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return sending


def _with_headers(send: Send) -> Send:
    extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = list(message.get("headers", ()))
            known = {name for name, _ in said}
            message = {**message, "headers": [*said, *(each for each in extra if each[0] not in known)]}
        await send(message)

    return sending
