"""`POST /hooks/NAME`: webhooks of somebody else's, checked by their signature, each of which starts one run."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.commands import RefuseSignal
from tidemill.core.events import SignalSent
from tidemill.core.ids import digest_of
from tidemill.core.served import Hook, NoSuchPlaceError, SendSignal, StartRun, found_at
from tidemill.core.signatures import (
    Scheme,
    SignatureError,
    StaleError,
    verify_github,
    verify_standard,
    verify_stripe,
    verify_token,
)
from tidemill.core.wait_rows import NOBODY, Address, WaitKind
from tidemill.engine.engine import Engine
from tidemill.ports.entropy import Entropy
from tidemill.server.bodies import answer, read_all
from tidemill.server.intake import Intake
from tidemill.server.problems import KINDS, RequestError, invalid, refuse
from tidemill.server.submit import answered
from tidemill.server.values import Uploads
from tidemill.wire.api import Accepted, Submission

PATH = "/hooks"
LIMIT_BYTES = 1024 * 1024
ID_LIMIT = 255
KEY_LIFETIME_S = 7 * 86400.0  # senders repeat for three days at most

_decode = msgspec.json.Decoder().decode


class Inbound:
    def __init__(self, engine: Engine, intake: Intake, uploads: Uploads, entropy: Entropy) -> None:
        self._engine, self._intake = engine, intake
        self._uploads, self._entropy = uploads, entropy

    async def receive(self, request: Request) -> Response:
        """202 with the run or signal: a new one, or that of this delivery before."""
        name = request.path_params["name"]
        hook = self._engine.registry.get(Hook, name)
        if hook is None:
            raise refuse("no_hook", f"no hook {name[:80]!r}")
        if self._engine.is_full():
            raise refuse("unavailable", "the server has as much to do as it can hold", {"retry-after": "1"})
        data = await read_all(request, LIMIT_BYTES)
        headers = {key.lower(): value for key, value in request.headers.items()}
        delivery = self._checked(hook, headers, data)
        try:
            body = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise refuse("malformed", f"no JSON: {error}") from None
        identity = delivery or _identity(hook, headers, body)
        match hook.target:
            case StartRun():
                return answer(request, await self._start(hook, hook.target, body, identity), 202)
            case SendSignal():
                return answer(request, await self._signal(hook, hook.target, body, identity), 202)

    def _checked(self, hook: Hook, headers: Mapping[str, str], data: bytes) -> str:
        """The id of the delivery, where the scheme has one. Raises RequestError."""
        now_s = self._engine.clock.now() / 1_000_000
        try:
            match hook.scheme:
                case Scheme.STANDARD:
                    return verify_standard(headers, data, hook.secrets, now_s, hook.tolerance_s)
                case Scheme.GITHUB:
                    return verify_github(headers, data, hook.secrets)
                case Scheme.STRIPE:
                    verify_stripe(headers, data, hook.secrets, now_s, hook.tolerance_s)
                case Scheme.TOKEN:
                    verify_token(headers.get(hook.header.lower(), ""), hook.secrets)
        except StaleError as error:
            raise refuse("stale_signature", str(error)) from None
        except SignatureError as error:
            raise refuse("bad_signature", str(error)) from None
        return ""

    async def _start(self, hook: Hook, target: StartRun, body: Any, identity: str) -> Accepted:
        key = f"{PATH}/{hook.name} {identity}" if identity else ""
        given = _inputs(target, body)
        submission = Submission(input=given, tags=target.tags, key=key, key_lifetime_s=KEY_LIFETIME_S)
        order = await self._intake.order(replace(submission, **{target.kind.value: target.target}))
        if identity:  # the same delivery is the same run, whatever else its repetition says
            order = replace(order, submitted=digest_of(key.encode()))
        said = answered((await self._engine.submit([order]))[0])
        if said.accepted is None:
            raise RequestError(said.problem) if said.problem else refuse("unavailable")
        return said.accepted

    async def _signal(self, hook: Hook, target: SendSignal, body: Any, identity: str) -> Accepted:
        """Its id is that of the delivery, so that a repetition is the signal that came before."""
        told = _picked({"key": target.key, "payload": target.payload}, body)
        if not isinstance(key := told["key"], str | int) or isinstance(key, bool) or len(str(key)) > ID_LIMIT:
            raise invalid("invalid_body", ((target.key, f"is no key: a text of at most {ID_LIMIT} characters"),))
        address = Address(NOBODY, WaitKind.SIGNAL, target.signal, str(key))
        name = f"{PATH}/{hook.name} {identity or self._entropy.bytes(16).hex()}"
        event = SignalSent(address, name, await self._uploads.store(told["payload"]), digest_of(name.encode()))
        said = await self._engine.signal(event)
        if isinstance(said, RefuseSignal):
            raise refuse(said.type if said.type in KINDS else "unavailable", said.detail)
        return Accepted(name, "taken" if said.taken else "kept")


def _identity(hook: Hook, headers: Mapping[str, str], body: Any) -> str:
    """What tells a repetition, where the sender's scheme does not; "" when nothing does."""
    found = headers.get(hook.id_header.lower(), "") if hook.id_header else ""
    if not found and hook.id_field:
        try:
            found = str(found_at(body, hook.id_field))
        except NoSuchPlaceError as error:
            raise invalid("invalid_body", ((hook.id_field, str(error)),)) from None
    if len(found) > ID_LIMIT:
        raise refuse("bad_request", f"the id of a delivery has at most {ID_LIMIT} characters")
    return found


def _inputs(target: StartRun, body: Any) -> dict[str, Any]:
    return _picked(target.inputs, body)


def _picked(places: Mapping[str, str], body: Any) -> dict[str, Any]:
    """What is at each place. Raises RequestError."""
    given, wrong = {}, []
    for parameter, place in places.items():
        try:
            given[parameter] = found_at(body, place)
        except NoSuchPlaceError as error:
            wrong.append((place, str(error)))
    if wrong:
        raise invalid("invalid_body", tuple(wrong))
    return given
