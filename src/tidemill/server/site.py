"""The pages for people, and the description of the API. Files of the package, read once."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tidemill.wire.api import JSON

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SCRIPTS = ("app.js", "asks.js", "list.js", "picture.js", "run.js", "show.js", "tree.js")
_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


def site_routes(openapi: Callable[[], Awaitable[bytes]]) -> list[BaseRoute]:
    """``openapi`` gives the description of the API as it is now."""

    async def described(request: Request) -> Response:
        return await _Fixed(await openapi(), JSON).send(request)

    page = _file("index.html")
    return [
        Route("/", page.send, methods=["GET"]),
        Route("/runs/{run}", page.send, methods=["GET"]),
        Route("/pages/app.css", _file("app.css").send, methods=["GET"]),
        *(Route(f"/pages/{name}", _file(name).send, methods=["GET"]) for name in SCRIPTS),
        Route("/api/v1/openapi.json", described, methods=["GET"]),
        Route("/api/v1", _Fixed(b'{"openapi": "/api/v1/openapi.json"}', JSON).send, methods=["GET"]),
        Route("/healthz", _Fixed(b"ok\n", "text/plain; charset=utf-8").send, methods=["GET"]),
    ]


class _Fixed:
    """Always the same answer."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self._body = body
        self._headers = {
            "content-type": media_type,
            "cache-control": "no-cache",
            "content-security-policy": CONTENT_POLICY,
        }

    async def send(self, request: Request) -> Response:
        return Response(self._body, headers=self._headers)


def _file(name: str) -> "_Fixed":
    return _Fixed(files("tidemill.server").joinpath("pages", name).read_bytes(), _TYPES[name.rpartition(".")[2]])
