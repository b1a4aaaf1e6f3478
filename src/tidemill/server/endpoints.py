"""Tasks and workflows under paths of their own: `/w/NAME`, and each version at `/w/NAME/VERSION`."""

import re
from datetime import timedelta
from typing import Any, cast

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import BadIdError, digest_text, parse_digest
from tidemill.core.rows import Changes
from tidemill.core.served import Endpoint, Pinned, TargetKind
from tidemill.core.traces import is_traceparent
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.intake import Intake, Target, Targets
from tidemill.server.problems import RequestError, invalid, refuse, unknown
from tidemill.server.results import LONGEST_WAIT_S, Results
from tidemill.server.submit import answered
from tidemill.server.views import time_text
from tidemill.server.webhooks import named
from tidemill.wire.api import Problem, Submission
from tidemill.wire.hooks import EndpointList, EndpointSpec, EndpointView, Started, VersionView

PATH = "/w"
NEWEST = "newest"  # as a default: whatever is the newest
WAIT_S = 10.0  # where nobody says
MOST, MOST_VERSIONS = 200, 100
KEY_LIMIT = 255
KEY_LIFETIME_S = timedelta(days=7).total_seconds()
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")

_spec = BodyType(EndpointSpec, 64 * 1024)
_anything = BodyType(cast("type[Any]", Any))


class Endpoints:
    def __init__(self, engine: Engine, targets: Targets, intake: Intake, results: Results) -> None:
        self._engine, self._registry = engine, engine.registry
        self._targets, self._intake, self._results = targets, intake, results

    # Calls -----------------------------------------------------------------------------------------

    async def call(self, request: Request) -> Response:
        """Run it on the body; 200 with the outputs, or 202 with the run when that takes longer than the wait."""
        endpoint, version = self._called(request)
        wait_s = parameters.seconds(request, "wait", LONGEST_WAIT_S) if "wait" in request.query_params else WAIT_S
        if self._engine.is_full():
            raise refuse("unavailable", "the server has as much to do as it can hold", {"retry-after": "1"})
        given = await _anything.read(request) if _has_body(request) else None
        trace = request.headers.get("traceparent", "")
        submission = Submission(
            input=given,
            key=_key(request, endpoint),
            key_lifetime_s=KEY_LIFETIME_S,
            traceparent=trace if is_traceparent(trace) else "",
        )
        submission = replace(submission, **{endpoint.kind.value: endpoint.target})
        order = await self._intake.order_to(submission, await self.target(endpoint, version))
        said = answered((await self._engine.submit([order]))[0])
        if said.accepted is None:
            raise RequestError(said.problem) if said.problem else refuse("unavailable")
        return await self._outcome(request, said.accepted.id, wait_s)

    async def _outcome(self, request: Request, run: str, wait_s: float) -> Response:
        link = f"/api/v1/runs/{run}/result"
        try:
            outputs = await self._results.plain(run, wait_s)
        except RequestError as error:
            raise RequestError(_for_callers(error.problem)) from None
        if outputs is None:
            response = answer(request, Started(run, "running", link), 202)
        else:
            response = answer(request, outputs.value)
        response.headers["location"], response.headers["tidemill-run"] = link, run
        return response

    def _called(self, request: Request) -> tuple[Endpoint, Pinned | None]:
        endpoint, asked = self._known(request), request.path_params.get("version", "")
        name = asked or endpoint.default
        version = endpoint.version(name) if name else None
        if name and version is None:
            raise refuse("no_endpoint", f"{PATH}/{endpoint.name} has no version {name[:80]!r}")
        return endpoint, version

    async def target(self, endpoint: Endpoint, version: Pinned | None) -> Target:
        """What a version runs; None: the newest. Raises RequestError."""
        digest = version.digest if version else ""
        if endpoint.kind is TargetKind.TASK:
            return await self._targets.task(endpoint.target, digest)
        if digest:
            return await self._targets.find(Submission(graph=digest))
        return await self._targets.find(Submission(workflow=endpoint.target))

    # What operators say and see ------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        return answer(request, EndpointList(tuple(endpoint_view(each) for each in self._registry.all(Endpoint))))

    async def get(self, request: Request) -> Response:
        return answer(request, endpoint_view(self._known(request)))

    async def put(self, request: Request) -> Response:
        """Serve a target, or one more version of it."""
        name, spec = named(request), await _spec.read(request)
        before = self._registry.get(Endpoint, name)
        if before is None and len(self._registry.all(Endpoint)) >= MOST:
            raise refuse("too_many", f"a server has at most {MOST} endpoints")
        if before is not None and before.target != spec.target:
            raise refuse("conflict", f"{PATH}/{name} serves {before.target}: remove it first, or choose another path")
        endpoint = before or Endpoint(name, self._kind(spec.target), spec.target, self._engine.clock.now())
        newest = await self.target(endpoint, None)  # raises when there is none
        if spec.version:
            endpoint = await self._with_version(endpoint, spec, newest)
        if spec.default:
            endpoint = replace(endpoint, default=_default(endpoint, spec.default))
        await self._engine.record(Changes(registered=[endpoint]))
        return answer(request, endpoint_view(endpoint), 200 if before else 201)

    async def delete(self, request: Request) -> Response:
        endpoint = self._known(request)
        await self._engine.record(Changes(registered_drop=[("endpoint", endpoint.name)]))
        return Response(status_code=204)

    async def delete_version(self, request: Request) -> Response:
        """Calls of it are answered by 404; a default that it was is the newest again."""
        endpoint, name = self._known(request), request.path_params["version"]
        kept = tuple(each for each in endpoint.versions if each.name != name)
        if kept == endpoint.versions:
            raise refuse("no_endpoint", f"{PATH}/{endpoint.name} has no version {name[:80]!r}")
        default = "" if endpoint.default == name else endpoint.default
        await self._engine.record(Changes(registered=[replace(endpoint, versions=kept, default=default)]))
        return Response(status_code=204)

    def _kind(self, target: str) -> TargetKind:
        if self._engine.catalog.latest(target) is not None:
            return TargetKind.TASK
        if self._engine.graphs.by_name(target) is None:
            raise unknown("unknown_workflow", target, self._engine.catalog.nearest(target))
        return TargetKind.WORKFLOW

    async def _with_version(self, endpoint: Endpoint, spec: EndpointSpec, newest: Target) -> Endpoint:
        if not _VERSION.fullmatch(spec.version) or spec.version == NEWEST:
            raise invalid("invalid_body", (("$.version", "letters, digits and . _ -, up to 32, such as v2"),))
        digest = _digest(spec.digest) if spec.digest else _digest_of(newest)
        target = await self.target(endpoint, Pinned(spec.version, digest, 0))
        if target.name != endpoint.target:
            raise invalid("invalid_body", (("$.digest", f"is one of {target.name}, not of {endpoint.target}"),))
        known = endpoint.version(spec.version)
        if known is not None and known.digest != digest:
            raise refuse("conflict", f"{PATH}/{endpoint.name}/{spec.version} is {known.digest}; versions do not change")
        if known is not None:
            return endpoint
        if len(endpoint.versions) >= MOST_VERSIONS:
            raise refuse("too_many", f"an endpoint has at most {MOST_VERSIONS} versions")
        pinned = Pinned(spec.version, digest, self._engine.clock.now())
        return replace(endpoint, versions=(*endpoint.versions, pinned))

    def _known(self, request: Request) -> Endpoint:
        name = request.path_params["name"]
        found = self._registry.get(Endpoint, name)
        if found is None:
            raise refuse("no_endpoint", f"nothing is served at {PATH}/{name[:80]}")
        return found


def _for_callers(problem: Problem) -> Problem:
    """A problem without what only the operator may see: where in whose code it happened."""
    if problem.failure is None:
        return problem
    return replace(problem, failure=replace(problem.failure, type="", traceback=""))


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _digest_of(target: Target) -> str:
    return target.definition.digest if target.definition else digest_text(target.graph)


def _digest(text: str) -> str:
    try:
        return digest_text(parse_digest(text))
    except BadIdError as error:
        raise invalid("invalid_body", (("$.digest", str(error)),)) from None


def _default(endpoint: Endpoint, name: str) -> str:
    if name == NEWEST:
        return ""
    if endpoint.version(name) is None:
        raise invalid("invalid_body", (("$.default", f"there is no version {name[:80]!r}; {NEWEST} is the newest"),))
    return name


def _key(request: Request, endpoint: Endpoint) -> str:
    """The caller's key, which is its own for each endpoint."""
    key = request.headers.get("idempotency-key", "")
    if len(key) > KEY_LIMIT:
        raise refuse("bad_request", f"Idempotency-Key has at most {KEY_LIMIT} characters")
    return f"{PATH}/{endpoint.name} {key}" if key else ""


def endpoint_view(endpoint: Endpoint) -> EndpointView:
    return EndpointView(
        name=endpoint.name,
        path=f"{PATH}/{endpoint.name}",
        kind=endpoint.kind.value,
        target=endpoint.target,
        created_at=time_text(endpoint.created_at),
        default=endpoint.default or NEWEST,
        versions=tuple(
            VersionView(each.name, f"{PATH}/{endpoint.name}/{each.name}", each.digest, time_text(each.added_at))
            for each in endpoint.versions
        ),
    )
