"""Bodies in and out: JSON for anybody, msgpack for our own client. All that is read has a limit."""

import json
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tidemill.core.nesting import NESTING_LIMIT, is_json_deep
from tidemill.server.problems import RequestError, invalid, refuse
from tidemill.wire.api import JSON, MSGPACK, PROBLEM, Problem

T = TypeVar("T")

BODY_LIMIT_BYTES = 16 * 1024 * 1024
OCTETS = "application/octet-stream"

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


class BodyType(Generic[T]):
    """Reads bodies of one type."""

    def __init__(self, kind: type[T], limit: int = BODY_LIMIT_BYTES) -> None:
        self._readers = {JSON: msgspec.json.Decoder(kind).decode, MSGPACK: msgspec.msgpack.Decoder(kind).decode}
        self._limit = limit

    async def read(self, request: Request) -> T:
        media = media_type(request)
        reader = self._readers.get(media)
        if reader is None:
            raise refuse("unsupported_media_type", f"send {JSON} or {MSGPACK}, not {media or 'a body without a type'}")
        data = await read_all(request, self._limit)
        if media == JSON and is_json_deep(data):
            raise refuse("malformed", f"nested deeper than {NESTING_LIMIT} levels")
        try:
            body = reader(data)
        except msgspec.ValidationError as error:
            raise invalid("invalid_body", (_place(str(error)),)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise refuse("malformed", f"no {media}: {error}") from None
        if media == JSON:
            json.loads(data, object_pairs_hook=_distinct, parse_int=len)
        return body


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    """Of two values under one key, no reader knows which is meant."""
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise refuse("malformed", f"the key {key[:80]!r} comes twice in one object")
        seen.add(key)


def _place(message: str) -> tuple[str, str]:
    """msgspec says "what - at `$.path`"."""
    what, _, path = message.partition(" - at ")
    return path.strip("`") or "$", what


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_all(request: Request, limit: int) -> bytes:
    return b"".join([chunk async for chunk in limited(request, limit)])


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises RequestError as soon as it is too large, or when it ends too early."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit:
        raise _too_large(limit)
    count = 0
    try:
        async for chunk in request.stream():
            count += len(chunk)
            if count > limit:
                raise _too_large(limit)
            yield chunk
    except ClientDisconnect:
        raise refuse("malformed", f"the body ended after {count} bytes") from None


def _too_large(limit: int) -> RequestError:
    return refuse("too_large", f"at most {limit:,} bytes are taken here", {"connection": "close"})


def wants_msgpack(request: Request) -> bool:
    return MSGPACK in request.headers.get("accept", "")


def answer(request: Request, body: Any, status: int = 200) -> Response:
    """The body in the form that was asked for."""
    if wants_msgpack(request):
        return Response(_msgpack.encode(body), status, media_type=MSGPACK)
    return Response(_json.encode(body), status, media_type=JSON)


def answer_problem(problem: Problem, headers: dict[str, str]) -> Response:
    return Response(_json.encode(problem), problem.status, headers, media_type=PROBLEM)
