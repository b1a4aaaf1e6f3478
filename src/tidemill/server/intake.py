"""From what a client submits to an order for the engine: names found, inputs checked, values encoded."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from tidemill.core.definitions import TaskDefinition
from tidemill.core.graph import NodeOptions, Workflow
from tidemill.core.ids import BadIdError, Digest, RunId, digest_of, parse_digest, parse_run_id, uuid7
from tidemill.core.normalise import Normalised, Violation, normalise
from tidemill.core.requirements import nonsense_in
from tidemill.core.rows import Keys
from tidemill.core.traces import is_traceparent
from tidemill.core.values import INLINE_LIMIT_BYTES, Blob, Encoding, Inline, Value
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order
from tidemill.ports.blobs import BlobDamagedError, BlobMissingError, Blobs
from tidemill.ports.clock import Clock
from tidemill.ports.entropy import Entropy
from tidemill.ports.peers import Kind
from tidemill.server.problems import RequestError, invalid, refuse, unknown
from tidemill.server.rules import rule_of, start_of, wrong_rules
from tidemill.server.singles import Singles
from tidemill.server.tags import wrong_tags
from tidemill.server.validate import BadSchemaError, Checks, InputCheck
from tidemill.server.values import Uploads, decode_plain
from tidemill.wire.api import Submission

CHECKED_BLOB_BYTES = 4 * 1024 * 1024  # a larger value is checked by the worker alone
PRIORITIES = range(-1000, 1001)
RETRIES = range(101)
YEAR_S = 365 * 86400
MOST_BREAKPOINTS = 64
_UNKNOWN = ("unknown_task", "unknown_workflow")
MOST_CHILDREN = 1000  # of one run

digestible = msgspec.msgpack.Encoder(order="deterministic").encode


class Ids:
    """Run ids for those who bring none."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self.clock, self._entropy, self._count = clock, entropy, count()

    def next(self) -> RunId:
        return RunId(uuid7(self.clock.now(), self._entropy.bytes(16), next(self._count) & 0xFFF))


class Target(Struct, frozen=True):
    """What is to run, and what its inputs must be."""

    name: str
    graph: Digest
    check: InputCheck
    definition: TaskDefinition | None = None  # of a single task
    defaults: Mapping[str, Any] = {}

    @property
    def ignores_unknown(self) -> bool:
        return self.definition is not None and self.definition.options.ignore_unknown


class Targets:
    """Finds what a submission names."""

    def __init__(self, engine: Engine, singles: Singles) -> None:
        self._engine = engine
        self._catalog, self._graphs, self.queries = engine.catalog, engine.graphs, engine.queries
        self._singles, self._checks = singles, Checks()
        self._kept: dict[str, tuple[TaskDefinition, Target]] = {}

    async def find(self, submission: Submission) -> Target:
        """Raises RequestError."""
        try:
            return await self._find(submission)
        except RequestError as error:
            if error.problem.type not in _UNKNOWN or not self._engine.neighbours.are_possible:
                raise
        await self._engine.renew((Kind.TASKS, Kind.GRAPHS))  # another server may have heard of it a moment ago
        return await self._find(submission)

    async def _find(self, submission: Submission) -> Target:
        if not submission.task and submission.options != NodeOptions():
            raise invalid("invalid_body", (("$.options", "these are for a single task; a workflow says its own"),))
        match submission:
            case Submission(workflow="", graph="") if submission.task:
                return await self._task(submission.task, submission.options)
            case Submission(task="", graph="") if submission.workflow:
                return await self._workflow(submission.workflow)
            case Submission(task="", workflow="") if submission.graph:
                return await self._graph(_digest(submission.graph))
            case _:
                raise invalid("invalid_body", (("$", "give exactly one of task, workflow and graph"),))

    async def task(self, name: str, digest: str) -> Target:
        """A task in one version; with digest "" in its newest. Raises RequestError."""
        if not digest:
            return await self._task(name, NodeOptions())
        definition = self._catalog.find(name, digest)
        if definition is None:
            raise unknown("unknown_task", f"{name} {digest}", ())
        return await self._target(definition, NodeOptions())

    async def _task(self, name: str, options: NodeOptions) -> Target:
        definition = self._catalog.latest(name)
        if definition is None:
            raise unknown("unknown_task", name, self._catalog.nearest(name))
        if options != NodeOptions():
            return await self._target(definition, options)
        kept = self._kept.get(name)
        if kept is None or kept[0] is not definition:
            kept = self._kept[name] = (definition, await self._target(definition, options))
        return kept[1]

    async def _target(self, definition: TaskDefinition, options: NodeOptions) -> Target:
        try:
            check = self._checks.of_task(definition)
        except BadSchemaError as error:
            raise refuse("unavailable", f"{definition.name} was announced with a broken schema: {error}") from None
        return Target(
            name=definition.name,
            graph=await self._singles.graph(definition, options),
            check=check,
            definition=definition,
        )

    async def _workflow(self, name: str) -> Target:
        digest = self._graphs.by_name(name)
        if digest is None:
            raise unknown("unknown_workflow", name, ())
        return await self._graph(digest)

    async def _graph(self, digest: Digest) -> Target:
        workflow = await self._graphs.get(digest)
        if workflow is None:
            raise unknown("unknown_graph", f"sha256:{digest.hex()}", ())
        return self._workflow_target(digest, workflow)

    async def graph(self, digest: str) -> tuple[Digest, Workflow]:
        """A published graph by the text of its digest. Raises RequestError."""
        found = _digest(digest)
        workflow = await self._graphs.get(found)
        if workflow is None:
            raise unknown("unknown_graph", digest, ())
        return found, workflow

    def _workflow_target(self, digest: Digest, workflow: Workflow) -> Target:
        body = workflow.shape
        return Target(workflow.name, digest, self._checks.of_graph(digest, body), defaults=body.optional)


class Intake:
    """Makes orders."""

    def __init__(self, targets: Targets, blobs: Blobs, uploads: Uploads, ids: Ids) -> None:
        self._targets, self._blobs, self._uploads, self._ids = targets, blobs, uploads, ids

    async def graph(self, digest: str) -> tuple[Digest, Workflow]:
        """A published graph. Raises RequestError."""
        return await self._targets.graph(digest)

    async def order(self, submission: Submission, watch: str = "") -> Order:
        """Raises RequestError with all that is wrong."""
        return await self._order(submission, None, watch)

    async def order_to(self, submission: Submission, target: Target) -> Order:
        """The same, to a target that was found already."""
        return await self._order(submission, target, "")

    async def _order(self, submission: Submission, target: Target | None, watch: str) -> Order:
        run = _run_id(submission.id) if submission.id else self._ids.next()
        parent = _run_id(submission.parent, "$.parent") if submission.parent else None
        _check_options(submission)
        if parent is not None:
            await self._refuse_too_many(run, parent)
        target = target or await self._targets.find(submission)
        if submission.values is not None:
            inputs = await self._checked_values(submission.values, target)
        else:
            inputs = await self._checked_input(submission.input, target)
        for name, default in target.defaults.items():
            if name not in inputs:
                inputs[name] = Inline(msgspec.json.encode(default), Encoding.JSON)
        return Order(
            run=run,
            graph=target.graph,
            workflow=target.name,
            inputs=inputs,
            submitted=_fingerprint(submission, inputs),
            priority=submission.priority,
            tags=submission.tags,
            watch=watch,
            parent=parent,
            trace=submission.traceparent,
            breakpoints=_breakpoints(submission),
            start_at=start_of(submission, self._ids.clock.now()),
            rule=rule_of(submission),
            longest=int(submission.run_timeout_s * 1_000_000),
        )

    async def _refuse_too_many(self, run: RunId, parent: RunId) -> None:
        if await self._targets.queries.children(parent) < MOST_CHILDREN:
            return
        if (await self._targets.queries.rows(Keys(runs=[run]))).runs[run] is None:
            raise refuse(
                "no_child", f"the run that starts it has {MOST_CHILDREN:,} already; use map_over in a workflow"
            )

    async def _checked_values(self, values: Mapping[str, Value], target: Target) -> dict[str, Value]:
        """Inputs that come encoded, port by port; they are stored as they are."""
        kept = dict(values)
        if target.ignores_unknown:
            for name in target.check.unknown(kept):
                del kept[name]
        plain: dict[str, Any] = {}
        for name, value in kept.items():
            match value:
                case Inline(data=data, encoding=encoding) if len(data) <= INLINE_LIMIT_BYTES:
                    plain[name] = decode_plain(data, encoding, name)
                case Inline():
                    raise refuse("too_large", f"{name!r} is over {INLINE_LIMIT_BYTES:,} bytes: upload it as a blob")
                case Blob(digest=digest, size=size, encoding=encoding) if size <= CHECKED_BLOB_BYTES:
                    plain[name] = decode_plain(await self._fetch(digest, size, name), encoding, name)
                case Blob():
                    pass
                case _:
                    raise invalid("invalid_input", ((f"$.{name}", "a stream is no input"),))
        self._refuse_misfits(target, plain, frozenset(kept.keys() - plain.keys()))
        return kept

    async def _checked_input(self, given: Any, target: Target) -> dict[str, Value]:
        """Inputs as plain data, from JSON or msgpack; they are stored as JSON, unless they hold bytes."""
        normal = _workflow_inputs(given) if target.definition is None else normalise(target.definition, given)
        self._refuse_misfits(target, normal.inputs, frozenset(), normal.violations)
        return {name: await self._uploads.store(value) for name, value in normal.inputs.items()}

    def _refuse_misfits(
        self, target: Target, plain: Mapping[str, Any], left_out: frozenset[str], seen: tuple[Violation, ...] = ()
    ) -> None:
        if violations := seen + target.check.violations(plain, left_out):
            raise invalid("invalid_input", violations)

    async def _fetch(self, digest: bytes, size: int, name: str) -> bytes:
        try:
            data = await self._blobs.fetch(Digest(digest), size)
        except BlobMissingError as error:
            raise refuse("missing_blob", str(error)) from None
        except BlobDamagedError as error:
            raise invalid("invalid_input", ((f"$.{name}", str(error)),)) from None
        if len(data) != size:
            raise invalid("invalid_input", ((f"$.{name}", f"its blob has {len(data):,} bytes, not {size:,}"),))
        return data


def _workflow_inputs(given: Any) -> Normalised:
    if given is None or isinstance(given, dict):
        return Normalised(given or {})
    return Normalised({}, (("$", "expected an object with a key per input"),))


def _run_id(text: str, place: str = "$.id") -> RunId:
    try:
        run = parse_run_id(text)
    except BadIdError as error:
        raise invalid("invalid_body", ((place, str(error)),)) from None
    if run[6] >> 4 != 7:
        raise invalid("invalid_body", ((place, "a run id is a UUID of version 7: runs are kept in order of time"),))
    return run


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except BadIdError as error:
        raise invalid("invalid_body", (("$.graph", str(error)),)) from None


def _breakpoints(submission: Submission) -> tuple[str, ...]:
    if len(submission.breakpoints) > MOST_BREAKPOINTS:
        raise invalid("invalid_body", (("$.breakpoints", f"are at most {MOST_BREAKPOINTS}"),))
    return submission.breakpoints


def _check_options(submission: Submission) -> None:
    wrong: list[tuple[str, str]] = []
    if submission.priority not in PRIORITIES:
        wrong.append(("$.priority", f"is from {PRIORITIES[0]} to {PRIORITIES[-1]}"))
    wrong += _wrong_options(submission.options)
    wrong += wrong_rules(submission)
    wrong += wrong_tags(submission.tags)
    if submission.traceparent and not is_traceparent(submission.traceparent):
        wrong.append(("$.traceparent", "is 00-<32 digits>-<16 digits>-<2 digits>, in lower hexadecimal"))
    if wrong:
        raise invalid("invalid_body", tuple(wrong))


def _wrong_options(options: NodeOptions) -> list[tuple[str, str]]:
    wrong = []
    if options.retries is not None and options.retries not in RETRIES:
        wrong.append(("$.options.retries", f"is from 0 to {RETRIES[-1]}"))
    if options.timeout_s is not None and not 0 < options.timeout_s <= YEAR_S:
        wrong.append(("$.options.timeout_s", "is more than 0 and at most a year, in seconds"))
    if options.cache is not None and not 0 < options.cache.lifetime_s <= 10 * YEAR_S:
        wrong.append(("$.options.cache.lifetime_s", "is more than 0 and at most ten years, in seconds"))
    if options.requires is not None and (fault := nonsense_in(options.requires)):
        wrong.append(("$.options.requires", fault))
    back = options.backoff
    if back is not None and not (0 <= back.first_s <= back.most_s <= YEAR_S and 0 <= back.spread <= 1):
        wrong.append(("$.options.backoff", "goes from first_s up to most_s, with a spread from 0 to 1"))
    return wrong


def _fingerprint(submission: Submission, inputs: dict[str, Value]) -> Digest:
    """The same for the same submission, whatever was published in between."""
    name = submission.task or submission.workflow or submission.graph
    options = (submission.priority, submission.tags, submission.options)
    limit = (submission.run_timeout_s,) if submission.run_timeout_s else ()
    return digest_of(digestible((name, inputs, options, *limit)))
