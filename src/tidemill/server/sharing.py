"""Stores and channels over HTTP: for attempts, and for people."""

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import BadIdError, Digest, RunId, parse_run_id
from tidemill.core.shared_rows import Written
from tidemill.core.sharing import (
    PAGE,
    WAIT_S,
    Ask,
    Delete,
    Fence,
    Get,
    NotShared,
    Op,
    Page,
    Put,
    Reach,
    Read,
    Shared,
    Write,
    fault_of,
)
from tidemill.core.values import INLINE_LIMIT_BYTES, Blob, Inline
from tidemill.engine.engine import Engine
from tidemill.engine.sharing import Place
from tidemill.ports.blobs import Blobs
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.problems import refuse
from tidemill.server.values import PLAIN_LIMIT_BYTES, Uploads, decode_plain
from tidemill.wire.sharing import ChannelPage, EntryView, ItemView, SharedAsk, StorePage, StoreValue

MOST_INT = 2**62
_ask, _value = BodyType(SharedAsk), BodyType(StoreValue)


class Sharings:
    def __init__(self, engine: Engine, blobs: Blobs, uploads: Uploads) -> None:
        self._engine, self._blobs, self._uploads = engine, blobs, uploads

    async def ask(self, request: Request) -> Response:
        """For an attempt. What is refused is an answer too: its body decides what to make of it."""
        body = await _ask.read(request)
        try:
            run = parse_run_id(body.run)
        except BadIdError as error:
            raise refuse("unknown_run", str(error)) from None
        place = Place(body.reach, body.name, run)
        if fault := fault_of(body.name, body.op) or _too_large(body.value):
            return answer(request, NotShared("invalid_input", fault))
        if isinstance(body.op, Ask):
            return answer(request, await self._engine.shelves.ask(place, body.op))
        if not body.path or body.write < 1:
            raise refuse("bad_request", "a write says its attempt, and its number from 1")
        fence = Fence(run, body.path, body.number, body.write)
        found = await self._engine.shelves.write(place, body.op, body.value, fence)
        return answer(request, Shared(found) if isinstance(found, Written) else found)

    # For people --------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        query = request.query_params
        limit = max(parameters.number(request, "limit", PAGE, PAGE), 1)
        found = await self._asked(request, Page(query.get("prefix", ""), query.get("after", ""), limit))
        views = [EntryView(key, await self._plain(value), version) for key, value, version in found.entries]
        return answer(request, StorePage(tuple(views), views[-1].key if found.more else ""))

    async def get(self, request: Request) -> Response:
        key = request.path_params["key"]
        for _, value, version in (await self._asked(request, Get(key))).entries:
            return answer(request, EntryView(key, await self._plain(value), version))
        raise refuse("unknown_value", f"there is nothing under {key[:100]!r}")

    async def put(self, request: Request) -> Response:
        key, body = request.path_params["key"], await _value.read(request)
        op = Put(key, body.version)
        place = self._place(request, op)
        done = await self._written(place, op, await self._uploads.store(body.value))
        return answer(request, EntryView(key, body.value, done.version))

    async def delete(self, request: Request) -> Response:
        version = parameters.number(request, "version", MOST_INT, MOST_INT)
        op = Delete(request.path_params["key"], None if version == MOST_INT else version)
        await self._written(self._place(request, op), op, None)
        return Response(status_code=204)

    async def items(self, request: Request) -> Response:
        after = parameters.number(request, "after", 0, MOST_INT)
        limit = max(parameters.number(request, "limit", PAGE, PAGE), 1)
        found = await self._asked(request, Read(after, limit, parameters.seconds(request, "wait", WAIT_S)))
        views = [ItemView(number, await self._plain(value)) for _, value, number in found.entries]
        return answer(request, ChannelPage(tuple(views), found.is_over))

    # Parts -------------------------------------------------------------------------------------------

    def _place(self, request: Request, op: Op) -> Place:
        name = request.path_params["name"]
        if fault := fault_of(name, op):
            raise refuse("bad_request", fault)
        if "workflow" in request.path_params:
            return Place(Reach.WORKFLOW, name, workflow=request.path_params["workflow"])
        return Place(Reach.RUN, name, RunId(parameters.run_id(request)))

    async def _asked(self, request: Request, op: Ask) -> Shared:
        found = await self._engine.shelves.ask(self._place(request, op), op)
        if isinstance(found, NotShared):
            raise refuse(found.type, found.detail)
        return found

    async def _written(self, place: Place, op: Write, value: Inline | Blob | None) -> Written:
        found = await self._engine.shelves.write(place, op, value)
        if isinstance(found, NotShared):
            raise refuse(found.type, found.detail)
        if not found.is_done and (isinstance(op, Put) or found.version):
            raise refuse("conflict", f"the entry has version {found.version}")
        return found

    async def _plain(self, value: Inline | Blob) -> object:
        if isinstance(value, Blob):
            if value.size > PLAIN_LIMIT_BYTES:
                raise refuse("too_large", f"the value has {value.size:,} bytes: read it in a task")
            data = await self._blobs.fetch(Digest(value.digest), value.size)
        else:
            data = value.data
        return decode_plain(data, value.encoding, "value")


def _too_large(value: Inline | Blob | None) -> str:
    if isinstance(value, Inline) and len(value.data) > INLINE_LIMIT_BYTES:
        return f"a value of more than {INLINE_LIMIT_BYTES:,} bytes is uploaded as a blob"
    return ""
