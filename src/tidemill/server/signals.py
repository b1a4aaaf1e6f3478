"""Signals from outside: checked against what waits for them, and handed to the engine."""

from collections import OrderedDict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.commands import AnswerSignal, RefuseSignal
from tidemill.core.events import SignalSent
from tidemill.core.ids import Digest, digest_of, text_of
from tidemill.core.plan import wait_nodes
from tidemill.core.rows import Keys
from tidemill.core.wait_rows import NOBODY, Address, WaitKind
from tidemill.core.wait_shape import NAME_LIMIT, is_signal_name, signals_of
from tidemill.core.waits import KEY_LIMIT
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.intake import Ids
from tidemill.server.problems import RequestError, invalid, refuse
from tidemill.server.validate import InputCheck
from tidemill.server.values import Uploads
from tidemill.wire.waiting import SignalBody, SignalView

ID_LIMIT = 128  # characters
KEPT = 2048  # graphs whose checks are compiled; more than a server knows by name
PORT = "payload"

_body = BodyType(SignalBody)
_digestible = msgspec.msgpack.Encoder(order="deterministic").encode
_REFUSALS = {
    "unknown_run": "unknown_run",
    "run_over": "not_possible",
    "decided": "not_possible",
    "conflict": "conflict",
    "missing_blob": "missing_blob",
    "mailbox_full": "mailbox_full",
    "no_approval": "unknown_step",
    "bad_choice": "invalid_input",
}

Checks = dict[tuple[str, bool], InputCheck]


def refused(refusal: RefuseSignal) -> RequestError:
    return refuse(_REFUSALS.get(refusal.type, "internal"), refusal.detail)


class Signals:
    def __init__(self, engine: Engine, uploads: Uploads, ids: Ids) -> None:
        self._engine, self._uploads, self._ids = engine, uploads, ids
        self._checks: OrderedDict[Digest, Checks] = OrderedDict()

    async def to_run(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._engine.queries)
        name, body = _name(request), await _read(request)
        known = await self._checks_of(run.graph)
        check = known.get((name, False))
        if check is None:
            waits = ", ".join(sorted(repr(each) for each, keyed in known if not keyed)) or "none"
            hint = "; it is sent with a key: POST /signals/{name}?key=" if (name, True) in known else ""
            raise refuse("unknown_signal", f"{run.workflow} waits for {waits}, not for {name!r}{hint}")
        _fits(body.payload, [check])
        return await self._send(request, Address(run.id, WaitKind.SIGNAL, name), body)

    async def by_key(self, request: Request) -> Response:
        """To whoever waits for the name with the key, or will."""
        name, body = _name(request), await _read(request)
        key = request.query_params.get("key", "")
        if not 0 < len(key) <= KEY_LIMIT:
            raise refuse("bad_request", f"?key= has from 1 to {KEY_LIMIT} characters, and this has {len(key)}")
        address = Address(NOBODY, WaitKind.SIGNAL, name, key)
        _fits(body.payload, await self._expected(address))
        return await self._send(request, address, body)

    async def _expected(self, address: Address) -> list[InputCheck]:
        """What the step that waits takes; while none does, what any published workflow would."""
        queries = self._engine.queries
        box = (await queries.rows(Keys(mailboxes=[address]))).mailboxes[address]
        graphs = list(dict.fromkeys(self._engine.graphs.names().values()))
        if box is not None and box.waiting:
            runs = (await queries.rows(Keys(runs=[box.waiting[0][0]]))).runs.values()
            graphs = [run.graph for run in runs if run is not None]
        found = [(await self._checks_of(graph)).get((address.name, True)) for graph in graphs]
        return [check for check in found if check is not None]

    async def _checks_of(self, graph: Digest) -> Checks:
        known = self._checks.get(graph)
        if known is None:
            workflow = await self._engine.graphs.get(graph)
            signals = signals_of(wait_nodes(workflow)) if workflow else {}
            known = {key: InputCheck({PORT: schema or {}}, frozenset()) for key, schema in signals.items()}
            self._checks[graph] = known
            while len(self._checks) > KEPT:
                self._checks.popitem(last=False)
        return known

    async def _send(self, request: Request, address: Address, body: SignalBody) -> Response:
        id_ = body.id or text_of(self._ids.next())
        digest = digest_of(_digestible(body.payload))
        event = SignalSent(address, id_, await self._uploads.store(body.payload), digest)
        said = await self._engine.signal(event)
        if isinstance(said, RefuseSignal):
            raise refused(said)
        return answer(request, signal_view(id_, said), 200 if said.taken else 202)


def signal_view(id_: str, said: AnswerSignal) -> SignalView:
    if said.taken is None:
        return SignalView(id_, taken=False)
    run, step = said.taken
    return SignalView(id_, taken=True, run=text_of(run), step=step)


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if not is_signal_name(name):
        raise refuse("bad_request", f"a signal's name has from 1 to {NAME_LIMIT} letters, digits and . _ - :")
    return name


async def _read(request: Request) -> SignalBody:
    body = await _body.read(request)
    if len(body.id) > ID_LIMIT:
        raise invalid("invalid_body", (("$.id", f"has at most {ID_LIMIT} characters"),))
    return body


def _fits(payload: Any, checks: list[InputCheck]) -> None:
    """One of them is enough; without any, whoever uses the payload checks it."""
    wrong = [violations for check in checks if (violations := check.violations({PORT: payload}))]
    if wrong and len(wrong) == len(checks):
        raise invalid("invalid_input", wrong[0])
