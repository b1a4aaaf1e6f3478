"""What operators say and see of hooks, the addresses for webhooks of somebody else's."""

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.rows import Changes
from tidemill.core.served import Hook, HookTarget, SendSignal, StartRun, TargetKind, place_of
from tidemill.core.signatures import LEAST_SECRET, Scheme, new_secret, shown
from tidemill.engine.engine import Engine
from tidemill.ports.entropy import Entropy
from tidemill.server.bodies import BodyType, answer
from tidemill.server.inbound import PATH
from tidemill.server.intake import Targets
from tidemill.server.problems import invalid, refuse, unknown
from tidemill.server.views import time_text
from tidemill.server.webhooks import MOST_SECRETS, named, wrong_secrets
from tidemill.wire.api import Submission
from tidemill.wire.hooks import HookList, HookSpec, HookView

MOST = 200
MOST_INPUTS, TEXT_LIMIT = 64, 256
TOLERANCES = range(1, 86_401)
SCHEMES = {scheme.value: scheme for scheme in Scheme}

_spec = BodyType(HookSpec, 64 * 1024)


class Hooks:
    def __init__(self, engine: Engine, targets: Targets, entropy: Entropy) -> None:
        self._engine, self._registry = engine, engine.registry
        self._targets, self._entropy = targets, entropy

    async def page(self, request: Request) -> Response:
        return answer(request, HookList(tuple(hook_view(each) for each in self._registry.all(Hook))))

    async def get(self, request: Request) -> Response:
        return answer(request, hook_view(self._known(request)))

    async def put(self, request: Request) -> Response:
        """Register one, or change it."""
        name, spec = named(request), await _spec.read(request)
        before = self._registry.get(Hook, name)
        kept = before.secrets if before else ()
        if wrong := _wrong(spec):
            raise invalid("invalid_body", wrong)
        if before is None and len(self._registry.all(Hook)) >= MOST:
            raise refuse("too_many", f"a server has at most {MOST} hooks")
        made = "" if spec.secrets or kept else new_secret(self._entropy.bytes(32))
        hook = Hook(
            name=name,
            scheme=SCHEMES[spec.scheme],
            secrets=spec.secrets or kept or (made,),
            target=await self._target(spec),
            created_at=before.created_at if before else self._engine.clock.now(),
            header=spec.header,
            id_header=spec.id_header,
            id_field=spec.id_field,
            tolerance_s=spec.tolerance_s,
        )
        await self._engine.record(Changes(registered=[hook]))
        return answer(request, hook_view(hook, made), 200 if before else 201)

    async def delete(self, request: Request) -> Response:
        hook = self._known(request)
        await self._engine.record(Changes(registered_drop=[("hook", hook.name)]))
        return Response(status_code=204)

    async def _target(self, spec: HookSpec) -> HookTarget:
        """Raises RequestError for one that is not there, or takes other inputs."""
        if spec.signal:
            return SendSignal(spec.signal, spec.key, spec.payload)
        if self._engine.catalog.latest(spec.target) is not None:
            kind = TargetKind.TASK
        elif self._engine.graphs.by_name(spec.target) is not None:
            kind = TargetKind.WORKFLOW
        else:
            raise unknown("unknown_workflow", spec.target, self._engine.catalog.nearest(spec.target))
        found = await self._targets.find(replace(Submission(), **{kind.value: spec.target}))
        strange = [] if found.ignores_unknown else found.check.unknown(spec.inputs)
        missing = sorted(found.check.required - spec.inputs.keys())
        wrong = [(f"$.inputs.{name}", f"{spec.target} has no such input") for name in strange]
        wrong += [("$.inputs", f"{spec.target} needs {name}") for name in missing]
        if wrong:
            raise invalid("invalid_body", tuple(wrong))
        return StartRun(kind, spec.target, spec.inputs, spec.tags)

    def _known(self, request: Request) -> Hook:
        name = request.path_params["name"]
        found = self._registry.get(Hook, name)
        if found is None:
            raise refuse("no_hook", f"no hook {name[:80]!r}")
        return found


def _wrong(spec: HookSpec) -> tuple[tuple[str, str], ...]:
    wrong = []
    if spec.scheme not in SCHEMES:
        wrong.append(("$.scheme", f"is one of {', '.join(SCHEMES)}"))
    if spec.scheme == Scheme.TOKEN.value and not spec.header:
        wrong.append(("$.header", "names the header that holds the token"))
    wrong += _wrong_secrets(spec)
    if spec.tolerance_s not in TOLERANCES:
        wrong.append(("$.tolerance_s", f"is from {TOLERANCES[0]} to {TOLERANCES[-1]}"))
    places = {f"$.inputs.{name}": place for name, place in spec.inputs.items()}
    if bool(spec.target) == bool(spec.signal):
        wrong.append(("$", "give exactly one of target and signal"))
    places |= {"$.key": spec.key, "$.payload": spec.payload} if spec.signal else {}
    places |= {"$.id_field": spec.id_field} if spec.id_field else {}
    for where, place in places.items():
        try:
            place_of(place)
        except ValueError as error:
            wrong.append((where, str(error)))
    texts = [
        *spec.inputs,
        *spec.inputs.values(),
        *spec.tags,
        *spec.tags.values(),
        spec.header,
        spec.id_header,
        spec.signal,
    ]
    if len(texts) > 2 * MOST_INPUTS or any(len(each) > TEXT_LIMIT for each in texts):
        wrong.append(("$", f"inputs and tags are at most {MOST_INPUTS}, of at most {TEXT_LIMIT} characters"))
    return tuple(wrong)


def _wrong_secrets(spec: HookSpec) -> list[tuple[str, str]]:
    """Other schemes than the standard take a secret as it is."""
    if spec.scheme == Scheme.STANDARD.value:
        return wrong_secrets(spec.secrets)
    wrong = [] if len(spec.secrets) <= MOST_SECRETS else [("$.secrets", f"are at most {MOST_SECRETS}")]
    return wrong + [
        (f"$.secrets[{index}]", f"a secret has at least {LEAST_SECRET} characters")
        for index, secret in enumerate(spec.secrets)
        if len(secret) < LEAST_SECRET
    ]


def hook_view(hook: Hook, secret: str = "") -> HookView:
    view = HookView(
        name=hook.name,
        path=f"{PATH}/{hook.name}",
        scheme=hook.scheme.value,
        created_at=time_text(hook.created_at),
        header=hook.header,
        id_header=hook.id_header,
        id_field=hook.id_field,
        tolerance_s=hook.tolerance_s,
        secrets=tuple(map(shown, hook.secrets)),
        secret=secret,
    )
    match hook.target:
        case StartRun(target=target, inputs=inputs, tags=tags):
            return replace(view, target=target, inputs=inputs, tags=tags)
        case SendSignal(signal=signal, key=key, payload=payload):
            return replace(view, signal=signal, key=key, payload=payload)
