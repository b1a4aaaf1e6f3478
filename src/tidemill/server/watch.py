"""One stream of outcomes per client: opened with a token of its own, fed by the runs that it submits with it.

A frame is four bytes of length (big-endian) and a msgpack list of `Finished`; an empty list says that the server
is still there.
"""

from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import BadIdError, parse_run_id
from tidemill.engine.engine import Engine
from tidemill.engine.watches import Watch
from tidemill.server.bodies import BodyType
from tidemill.server.problems import invalid, refuse
from tidemill.server.results import finished
from tidemill.server.streaming import Streams, beating
from tidemill.wire.api import BATCH_LIMIT, FRAMES, WatchRuns

TOKEN_LENGTHS = range(16, 65)

_encode = msgspec.msgpack.Encoder().encode
_runs = BodyType(WatchRuns)
_SILENCE = b"\x00\x00\x00\x01\x90"  # an empty list


class Watches:
    def __init__(self, engine: Engine, streams: Streams) -> None:
        self._engine, self._streams = engine, streams
        self._open: dict[str, Watch] = {}

    async def follow(self, request: Request) -> Response:
        token = _token(request)
        if token in self._open:
            raise refuse("conflict", "this watch is open already; a new stream takes a new token")
        return self._streams.live(self._frames(token), FRAMES)

    async def _frames(self, token: str) -> AsyncIterator[bytes]:
        watch = self._engine.watch(token)
        self._open[token] = watch
        try:
            yield _SILENCE  # now runs may be submitted with the token
            async for outcomes in beating(aiter(watch)):
                if not outcomes:
                    yield _SILENCE
                    continue
                frame = _encode([finished(each.run, each.outputs) for each in outcomes])
                yield len(frame).to_bytes(4, "big") + frame
        finally:
            watch.close()
            self._open.pop(token, None)

    async def add(self, request: Request) -> Response:
        """Watch runs that were submitted before; those that have ended are told of at once."""
        watch = self._open.get(_token(request))
        if watch is None:
            raise refuse("unknown_watch", "open it first, with GET")
        body = await _runs.read(request)
        if len(body.runs) > BATCH_LIMIT:
            raise invalid("invalid_body", (("$.runs", f"at most {BATCH_LIMIT} in one request"),))
        try:
            runs = [parse_run_id(text) for text in body.runs]
        except BadIdError as error:
            raise invalid("invalid_body", (("$.runs", str(error)),)) from None
        await watch.add(runs)
        return Response(status_code=204)


def _token(request: Request) -> str:
    token: str = request.path_params["token"]
    if len(token) not in TOKEN_LENGTHS or not (token.isascii() and token.isalnum()):
        raise refuse("bad_request", "a token has 16 to 64 letters and digits")
    return token
