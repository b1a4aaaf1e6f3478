"""`Definition`: what can be a node or a run. `Task` and `Workflow` are its two kinds."""

import copy
import difflib
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast

from tidemill.core import definitions, graph
from tidemill.core.bodies import Encoded
from tidemill.core.graph import Node, NodeOptions, Rescue, Schema, TaskNode
from tidemill.core.terms import VALUE, Input
from tidemill.core.values import Argument
from tidemill.sdk.batch import Batch
from tidemill.sdk.callables import doc_of, name_of
from tidemill.sdk.context import Context
from tidemill.sdk.errors import DefinitionError, DoesNotFitError
from tidemill.sdk.file import Locate
from tidemill.sdk.middleware import Middleware, Shared
from tidemill.sdk.options import Backend, Default, OnFailure, Options, checked_policy, node_options
from tidemill.sdk.plans import TypePlan, encode_all
from tidemill.sdk.signature import CLOSED, OPEN, Body, Signature

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
F_co = TypeVar("F_co", covariant=True)
T = TypeVar("T")

Coro = Coroutine[Any, Any, T]
WithContext = Callable[Concatenate[Context, P], T]
ReadSignature = Callable[[Callable[..., Any], Mapping[str, Any]], Signature]


class Recorder(Protocol):
    """A trace that is under way."""

    def record(self, definition: "Definition[..., Any]", bound: Mapping[str, Any]) -> Any: ...


recording: ContextVar[Recorder | None] = ContextVar("recording", default=None)


class Definition(Generic[P, R_co]):
    """Called outside a workflow it runs here and now; called inside one it becomes a node."""

    kind = "definition"

    def __init__(self, name: str, fn: Callable[..., Any], read: ReadSignature, names: Mapping[str, Any]) -> None:
        self.name = name
        self.node_name = name.rpartition(".")[2]
        self.node_options = NodeOptions()
        self.node_after: tuple[Any, ...] = ()
        self.undo: Callable[[Any], object] | None = None
        self.on_failure: OnFailure | Default[Any] = OnFailure.STOP_RUN
        self._fn, self._read, self._names = fn, read, names
        self.__doc__ = doc_of(fn)
        self.__name__ = name_of(fn) or name
        self.__wrapped__ = fn

    @functools.cached_property
    def signature(self) -> Signature:
        """Raises DefinitionError."""
        try:
            return self._read(self._fn, self._names)
        except (DefinitionError, NameError) as error:
            raise DefinitionError(f"{self.kind} {self.name}: {error}") from None

    def read_early(self) -> None:
        """Read the signature, so that a wrong one is refused at import; names defined further down may come later."""
        try:
            self._read(self._fn, self._names)
        except NameError:
            return
        except DefinitionError:
            pass
        _ = self.signature
        self.check_options()

    def check_options(self) -> None:
        """Raises DefinitionError for options that do not go with the signature."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        bound = self.bind_values(args, kwargs)
        recorder = recording.get()
        if recorder is not None:
            return cast(R_co, recorder.record(self, bound))
        try:
            return cast(R_co, self.run_here(bound))
        except Exception:
            if isinstance(self.on_failure, Default):
                return cast(R_co, self.on_failure.value)
            raise

    @property
    def rescue(self) -> Rescue | None:
        """What its failure does as a node. Raises DoesNotFitError for a default of another type."""
        match self.on_failure:
            case OnFailure.STOP_RUN:
                return None
            case OnFailure.SKIP_DOWNSTREAM:
                return graph.Skip()
            case Default(value=value):
                outputs, parted = self.signature.outputs, self.signature.tuple_type is not None
                plain = {name: each.plain(getattr(value, name) if parted else value) for name, each in outputs.items()}
                return graph.Default(plain if len(plain) > 1 else next(iter(plain.values())))

    @property
    def submitted_as(self) -> tuple[str, str, bytes]:
        """What a submission names: a task, or the digest of a graph and its document."""
        return self.name, "", b""

    def node_of(self, inputs: dict[str, Input]) -> Node:
        """A use of this definition as a node."""
        raise NotImplementedError

    def run_here(self, bound: dict[str, Any]) -> Any:
        from tidemill.sdk.plain import call_plainly  # noqa: PLC0415  # brings asyncio, which no import of a task needs

        return call_plainly(self.name, self._fn, self.signature, bound)

    def options(
        self,
        *,
        name: str = "",
        on_failure: OnFailure | Default[R_co] | None = None,
        after: object = (),
        undo: "Callable[[R_co], object] | None" = None,
        **options: Unpack[Options],
    ) -> Self:
        """The same definition with other options, or as a node of another name.

        Args:
            on_failure: what its failure does to the workflow that uses it: stop it, leave out what needs its result, or
                put a ``default(…)`` in its place.
            undo: a task that takes its result back, when the run does not succeed in the end; a task of one parameter.
            after: results of steps that it waits for without using them: one, or a list.
        """
        other = copy.copy(self)
        other.node_name = name or self.node_name
        other.node_after = tuple(after) if isinstance(after, list | tuple) else (after,)
        if undo is not None:
            other.undo = undo
        if on_failure is not None:
            other.on_failure = checked_policy(on_failure)
        if options:
            other.node_options = node_options(options)
        return other

    def bind_values(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by parameter; what has a default may lack. Raises TypeError as a call of the function would."""
        parameters = self.signature.parameters
        names = [each.name for each in parameters.values() if each.by_position]
        if len(args) > len(names):
            raise TypeError(f"{self.name} takes {len(names)} arguments by position, got {len(args)}")
        bound = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in parameters:
                raise TypeError(self._unexpected(name))
            if name in bound:
                raise TypeError(f"{self.name} got {name!r} twice")
            bound[name] = value
        missing = [each.name for each in parameters.values() if each.is_required and each.name not in bound]
        if missing:
            raise TypeError(f"{self.name} needs {', '.join(map(repr, missing))} too")
        return bound

    def _unexpected(self, name: str) -> str:
        if name == self.signature.context or name in self.signature.injections:
            return f"{self.name} is given {name!r} by its worker; callers leave it out"
        near = difflib.get_close_matches(name, self.signature.parameters, 1)
        return f"{self.name} has no parameter {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Encoded]:
        """The inputs of a run. Raises TypeError, and InvalidInputError with each value that does not fit."""
        parameters = self.signature.parameters
        return encode_all(self.bind_values(args, kwargs), lambda name: parameters[name].plan)

    def decode_result(self, ports: Mapping[str, Argument], locate: Locate | None = None) -> R_co:
        """The result of a run by its output ports, whose blobs and remote lists have been fetched.

        Raises DoesNotFitError: with the definition of another version, say.
        """
        signature = self.signature
        if signature.tuple_type is None:
            return cast(R_co, signature.result.decode(ports[VALUE], locate))
        return cast(
            R_co,
            signature.tuple_type(
                **{name: plan.decode(ports[name], locate) for name, plan in signature.outputs.items()}
            ),
        )

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Task(Definition[P, R_co]):
    """A task as its callers see it: no context, awaited, a stream as a list."""

    kind = "task"

    def __init__(self, name: str, fn: Callable[..., Any], read: ReadSignature, names: Mapping[str, Any]) -> None:
        super().__init__(name, fn, read, names)
        self.task_options = definitions.TaskOptions()
        self.statuses: tuple[str, ...] = ()
        self.emits: Mapping[str, TypePlan] = {}
        self.expected: str | None = None  # a stub's: the digest that it was made from, "" for any
        self.implementation = ""

    def check_options(self) -> None:
        """Raises DefinitionError for options that do not go with the signature."""
        options, signature = self.task_options, self.signature
        keys = [options.concurrency_key, options.rate.key if options.rate else ""]
        for key in filter(None, keys):
            if key.partition(".")[0] not in signature.parameters:
                known = ", ".join(signature.parameters) or "none"
                raise DefinitionError(f"task {self.name}: the limit's key {key!r} names no parameter; there is {known}")
        if options.cache and signature.item is not None:
            raise DefinitionError(f"task {self.name}: a stream cannot be cached; return the list, from a task")

    @property
    def namespace(self) -> str:
        """The name of its worker."""
        return self.name.partition(".")[0]

    @property
    def is_async(self) -> bool:
        """Whether its function is async; that of a batch counts as such, for each attempt waits for company."""
        return self.signature.body in (Body.ASYNC, Body.ASYNC_ITEMS)

    @property
    def input_schema(self) -> Schema:
        """A JSON Schema with a property for each parameter that a caller gives."""
        return self.definition.inputs

    @property
    def output_schemas(self) -> Mapping[str, Schema]:
        """A JSON Schema for each output port: ``value``, or one for each field of a NamedTuple."""
        return self.definition.outputs

    @property
    def stream_schema(self) -> Schema | None:
        """The JSON Schema of an item of a stream; None for other tasks."""
        return self.definition.item

    def __repr__(self) -> str:
        try:
            return f"<{self.kind} {self.name}{self.signature.text}>"
        except DefinitionError:  # of a name that is not defined yet
            return super().__repr__()

    def node_of(self, inputs: dict[str, Input]) -> TaskNode:
        definition = self.definition
        return TaskNode(
            task=self.name,
            inputs=inputs,
            outputs=definition.outputs,
            schema=definition.digest,
            takes=definition.inputs,
            stream=definition.item is not None,
            options=self.node_options,
        )

    @property
    def extra(self) -> dict[str, Any]:
        """What else is said of it, for people."""
        return {}

    @functools.cached_property
    def definition(self) -> definitions.TaskDefinition:
        """What its worker announces."""
        self.check_options()
        signature, options = self.signature, self.task_options
        try:
            inputs = signature.inputs_schema(extra=OPEN if options.ignore_unknown else CLOSED)
        except (DoesNotFitError, TypeError) as error:
            raise DefinitionError(f"task {self.name}: a default does not fit its type: {error}") from None
        outputs = {port: plan.schema for port, plan in signature.outputs.items()}
        item = signature.item.schema if signature.item else None
        digest = definitions.task_digest(self.name, inputs, outputs, item)
        return definitions.TaskDefinition(
            name=self.name,
            inputs=inputs,
            outputs=outputs,
            digest=digest if self.expected is None else self.expected,
            item=item,
            record=signature.record,
            is_async=signature.body in (Body.ASYNC, Body.ASYNC_ITEMS),
            statuses=self.statuses,
            emits={kind: plan.schema for kind, plan in self.emits.items()},
            doc=(self.__doc__ or "").strip(),
            signature=signature.text,
            options=options,
            keywords=tuple(each.name for each in signature.parameters.values() if not each.by_position),
            injects=(*filter(None, [signature.context]), *signature.injections),
            implementation=self.implementation,
            extra=self.extra,
        )


class LocalTask(Task[P, R_co], Generic[P, R_co, F_co]):
    """A task whose function is here, not behind a stub."""

    backend = Backend.INLINE

    def __init__(self, name: str, fn: Callable[..., Any], read: ReadSignature, names: Mapping[str, Any]) -> None:
        super().__init__(name, fn, read, names)
        self.middleware: tuple[Middleware, ...] = ()
        self.batch: Batch | None = None
        self.shared = Shared()

    @property
    def is_bare(self) -> bool:
        """Whether a call is that of the function alone: nothing is provided, and nothing goes around it."""
        return not (self.middleware or self.shared.middleware or self.batch or self.signature.provided)

    @property
    def wants_facts(self) -> bool:
        """Whether anything of a call may look at its context."""
        signature = self.signature
        if signature.context or self.middleware or self.shared.middleware:
            return True
        return any(provider.wants_context for provider in signature.provided.values())

    def run_here(self, bound: dict[str, Any]) -> Any:
        if self.is_bare:
            return super().run_here(bound)
        from tidemill.sdk.plain import call_surrounded  # noqa: PLC0415  # as above

        return call_surrounded(self, bound)

    @property
    def extra(self) -> dict[str, Any]:
        return {} if self.backend is Backend.INLINE else {"backend": self.backend.value}

    @property
    def fn(self) -> F_co:
        """The function as it was written."""
        return cast(F_co, self._fn)
