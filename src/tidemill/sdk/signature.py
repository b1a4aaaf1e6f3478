"""A function's signature read once: the plan of each parameter, what is injected, and what comes out."""

import functools
import inspect
import types
from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin

from msgspec import NODEFAULT, UNSET, Struct

from tidemill.core.graph import FINAL, ITEMS, Schema
from tidemill.core.terms import VALUE
from tidemill.sdk.callables import hints_of, is_async_generator, is_coroutine, is_generator, parameters_of
from tidemill.sdk.codecs import Codec
from tidemill.sdk.context import Context
from tidemill.sdk.depends import Depends, Provider, check_gift, depends_of, read_provider, told
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.forms import fields_of, is_named_tuple, is_record, unaliased, union_of
from tidemill.sdk.options import injected
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.result import Failure, Final, Result, Streamed
from tidemill.sdk.schemas import closed, document, schemas_of

Codecs = tuple[Codec[Any, Any], ...]


class Body(Enum):
    """How a body is run."""

    SYNC = "sync"
    ASYNC = "async"
    ITEMS = "items"  # a generator
    ASYNC_ITEMS = "async items"


class Parameter(Struct, frozen=True):
    name: str
    plan: TypePlan
    default: Any = NODEFAULT
    by_position: bool = True

    @property
    def is_required(self) -> bool:
        return self.default is NODEFAULT


class Signature(Struct, frozen=True):
    """What goes in and comes out. ``result`` is the type that callers see, ``tuple_type`` a NamedTuple return."""

    parameters: dict[str, Parameter]
    outputs: dict[str, TypePlan]
    result: TypePlan
    body: Body
    context: str = ""  # the parameter that takes the Context
    files: tuple[str, ...] = ()  # parameters that take the TaskFiles
    provided: dict[str, Provider] = {}  # parameters that a factory fills
    item: TypePlan | None = None
    tuple_type: Any = None
    final: TypePlan | None = None  # of a stream that gives one more value at its end

    @property
    def injections(self) -> tuple[str, ...]:
        """Parameters that a worker fills, but for the context."""
        return (*self.files, *self.provided)

    @property
    def text(self) -> str:
        """As its callers see it: without what a worker injects, types by their own names."""
        given = ", ".join(f"{each.name}: {each.plan.name}{_told(each.default)}" for each in self.parameters.values())
        return f"({given}) -> {self._given}"

    @property
    def _given(self) -> str:
        if self.item is None:
            return self.result.name
        return f"Iterator[{self.item.name}]" if self.final is None else self.result.name

    @property
    def record(self) -> str:
        """The parameter that a bare record may stand for."""
        if len(self.parameters) != 1:
            return ""
        (only,) = self.parameters.values()
        kind = get_origin(only.plan.kind) or only.plan.kind
        is_object = kind is dict or hasattr(kind, "__pydantic_validator__")
        return only.name if is_object or (is_record(kind) and not is_named_tuple(kind)) else ""

    def inputs_schema(self, *, extra: Mapping[str, Any]) -> Schema:
        """An object schema with a property per parameter. ``extra`` says what becomes of keys that it lacks."""
        schemas, defs = schemas_of([each.plan.wire for each in self.parameters.values()])
        properties = dict(zip(self.parameters, schemas, strict=True))
        for each in self.parameters.values():
            if not each.is_required and each.default is not UNSET:
                properties[each.name] = properties[each.name] | {"default": each.plan.plain(each.default)}
        required = [each.name for each in self.parameters.values() if each.is_required]
        schema = {"type": "object", "properties": properties, "required": required, **extra}
        return document(schema, closed(defs) if extra else defs)


def _told(default: Any) -> str:
    """Of a parameter, in a signature."""
    return "" if default is NODEFAULT else f" = {default!r}"


CLOSED: Mapping[str, Any] = {"additionalProperties": False}
OPEN: Mapping[str, Any] = {}

_LISTS = (list, abc.Sequence)
_ITERATORS = (abc.Iterator, abc.Iterable, abc.Generator)
_ASYNC_ITERATORS = (abc.AsyncIterator, abc.AsyncIterable, abc.AsyncGenerator)
_VARIADIC = {
    inspect.Parameter.VAR_POSITIONAL: "*{} is not allowed; use one parameter, {}: list[…]",
    inspect.Parameter.VAR_KEYWORD: "**{} is not allowed; use one parameter, {}: dict[str, …]",
    inspect.Parameter.POSITIONAL_ONLY: "{} is for positions only, and inputs go by name; take away the '/'",
}


def read_task(fn: Callable[..., Any], names: Mapping[str, Any], codecs: Codecs = ()) -> Signature:
    """The signature of a task that gives one result.

    Args:
        names: what the annotations may name besides the function's globals.
        codecs: of classes that the types may hold.
    Raises:
        DefinitionError: with the parameter named; NameError for a name that is not defined yet.
    """
    if is_generator(fn) or is_async_generator(fn):
        raise DefinitionError("it is a generator; use @worker.stream")
    body = Body.ASYNC if is_coroutine(fn) else Body.SYNC
    read = _Read(fn, names, codecs)
    returned = _data_type(_returned(read))
    result = read.planned("its result", returned)
    tuple_type = get_origin(returned) or returned
    if not is_named_tuple(tuple_type):
        return read.signature(outputs={VALUE: result}, result=result, body=body)
    outputs = {name: read.planned(f"its output {name}", kind) for name, kind in fields_of(returned).items()}
    return read.signature(outputs=outputs, result=result, body=body, tuple_type=tuple_type)


def read_batch(fn: Callable[..., Any], names: Mapping[str, Any], codecs: Codecs = ()) -> Signature:
    """The signature, of one call, of a function over lists. Arguments and errors as for ``read_task``."""
    if is_generator(fn) or is_async_generator(fn):
        raise DefinitionError("it is a generator, and a batch gives a list: one element for each call")
    read = _Read(fn, names, codecs, is_batch=True)
    returned = _returned(read)
    if get_origin(returned) not in _LISTS:
        raise DefinitionError("a batch gives a list, one element for each call: `-> list[…]`")
    kinds = [each for each in _members(get_args(returned)[0]) if not _is_error(each)]
    result = read.planned("its result", union_of(kinds) if kinds else type(None))
    # An attempt waits for its batch on the loop, wherever the function runs.
    return read.signature(outputs={VALUE: result}, result=result, body=Body.ASYNC)


def _of_one(each: inspect.Parameter, hint: Any) -> Any:
    """Of a parameter of a batch, what one call gives."""
    if hint is Context or hint is TaskFiles:
        raise DefinitionError(f"parameter {each.name}: a batch is of many attempts, so it has no Context or TaskFiles")
    if depends_of(hint) is not None:
        return hint
    if get_origin(hint) not in _LISTS or each.default is not each.empty:
        raise DefinitionError(
            f"parameter {each.name}: a batch takes lists without defaults, one element for each call: "
            f"{each.name}: list[…]"
        )
    return get_args(hint)[0]


def _is_error(kind: Any) -> bool:
    return kind is Failure or (inspect.isclass(kind) and issubclass(kind, BaseException))


def read_stream(fn: Callable[..., Any], names: Mapping[str, Any], codecs: Codecs = (), final: Any = None) -> Signature:
    """The signature of a task that streams items. Arguments and errors as for ``read_task``.

    Args:
        final: the type of an async stream's final value; that of another is what its generator returns.
    """
    read = _Read(fn, names, codecs)
    returned = _returned(read)
    origin = get_origin(returned)
    if origin not in _ITERATORS + _ASYNC_ITERATORS or is_coroutine(fn):
        raise DefinitionError("a stream is a generator: `-> Iterator[…]`, or `-> AsyncIterator[…]` with async def")
    body = Body.ASYNC_ITEMS if origin in _ASYNC_ITERATORS else Body.ITEMS
    kind, final = _stream_types(returned, body, final)
    items = read.planned("its items", types.GenericAlias(list, (kind,)))
    item = read.planned("its items", kind)
    if final is type(None):
        return read.signature(outputs={VALUE: items}, result=items, body=body, item=item)
    last = read.planned("its final value", final)
    whole = read.planned("its result", _generic(Streamed, kind, final))
    outputs = {ITEMS: items, FINAL: last}
    return read.signature(outputs=outputs, result=whole, body=body, item=item, final=last, tuple_type=Streamed)


def _stream_types(returned: Any, body: Body, declared: Any) -> tuple[Any, Any]:
    """The type of the items, and that of the final value: None's where there is none."""
    kind, *rest = get_args(returned)
    finals = [get_args(each)[0] for each in _members(kind) if get_origin(each) is Final]
    if body is Body.ITEMS:
        if finals or declared is not None:
            raise DefinitionError("a generator returns its final value: `-> Generator[Item, None, Summary]`")
        return kind, rest[1] if len(rest) > 1 else type(None)
    if not finals and declared is None:
        return kind, type(None)
    if finals != [declared]:
        raise DefinitionError(
            "an async stream with a final value says its type twice: `@….stream(final=Summary)` and "
            "`-> AsyncIterator[Item | Final[Summary]]`"
        )
    return union_of([each for each in _members(kind) if get_origin(each) is not Final]), declared


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _generic(cls: Any, *arguments: Any) -> Any:
    return cls[arguments]


def read_workflow(fn: Callable[..., Any], names: Mapping[str, Any]) -> Signature:
    """The signature of a traced function. Arguments and errors as for ``read_task``."""
    if is_coroutine(fn) or is_generator(fn) or is_async_generator(fn):
        raise DefinitionError("a workflow is a plain def: it says what follows what, and waits for nothing")
    signature = read_task(fn, names)
    given = (*filter(None, [signature.context]), *signature.injections)
    if given:
        raise DefinitionError(f"parameter {given[0]}: only tasks are given what their worker injects")
    return signature


@dataclass(frozen=True)
class _Read:
    """What is read of a callable: its annotations, and what they may name besides its globals."""

    fn: Callable[..., Any]
    names: Mapping[str, Any]
    codecs: Codecs = ()
    is_batch: bool = False

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        return {name: unaliased(hint) for name, hint in hints_of(self.fn, self.names).items()}

    def signature(self, **facts: Any) -> Signature:
        data: dict[str, Parameter] = {}
        provided: dict[str, Provider] = {}
        context, files = "", []
        for place, each in enumerate(parameters_of(self.fn)):
            hint = self.hints.get(each.name, each.empty)
            _check_kind(each, hint, place)
            if self.is_batch:
                hint = _of_one(each, hint)
            if hint is Context:
                context = each.name
            elif hint is TaskFiles:
                files.append(each.name)
            elif (mark := depends_of(hint)) is not None:
                provided[each.name] = self._provider(each.name, mark, hint)
            else:
                default = NODEFAULT if each.default is each.empty else each.default
                plan = self.planned(f"parameter {each.name}", hint)
                data[each.name] = Parameter(each.name, plan, default, each.kind is not each.KEYWORD_ONLY)
        return Signature(data, context=context, files=tuple(files), provided=provided, **facts)

    def planned(self, what: str, kind: Any) -> TypePlan:
        if kind is inspect.Parameter.empty:
            raise DefinitionError(f"{what} has no type; annotate it (`-> None` for nothing)")
        try:
            return plan_of(kind, self.codecs)
        except DefinitionError as error:
            raise DefinitionError(f"{what}: {error}") from None

    def _provider(self, name: str, mark: Depends, hint: Any) -> Provider:
        try:
            check_gift(mark, hint, self.names)
            provider = read_provider(mark, self.names)
        except DefinitionError as error:
            raise DefinitionError(f"parameter {name}: {error}") from None
        if self.is_batch and (provider.wants_context or provider.wants_files):
            asks = f"{told(mark.factory)} asks for what one attempt has, and a batch has many"
            raise DefinitionError(f"parameter {name}: {asks}")
        return provider


def _check_kind(each: inspect.Parameter, hint: Any, place: int) -> None:
    if each.kind in _VARIADIC:
        raise DefinitionError(_VARIADIC[each.kind].format(each.name, each.name))
    if hint is each.empty:
        raise DefinitionError(f"parameter {each.name} has no type; annotate it (Any takes anything)")
    if hint in (Any, object) and place == 0:
        raise DefinitionError(
            f"parameter {each.name} comes first and may be anything, so type checkers take it for the Context; "
            "give it a narrower type, or put another parameter first"
        )
    if hint is Context and place > 0:
        raise DefinitionError(f"parameter {each.name} is the Context, which comes first")
    is_injected = hint is TaskFiles or depends_of(hint) is not None
    if is_injected and (each.kind is not each.KEYWORD_ONLY or each.default is not injected):
        kind = "TaskFiles" if hint is TaskFiles else "Annotated[…, Depends(…)]"
        raise DefinitionError(f"parameter {each.name} is injected; write `*, {each.name}: {kind} = injected`")
    if each.default is injected and not is_injected:
        raise DefinitionError(
            f"parameter {each.name} is no injected type; those are TaskFiles, Annotated[…, Depends(…)], and Context, "
            "first"
        )


def _returned(read: _Read) -> Any:
    """The annotation of what comes back; a class gives itself."""
    return read.fn if inspect.isclass(read.fn) else read.hints.get("return", inspect.Parameter.empty)


def _data_type(returned: Any) -> Any:
    """The type of the data: ``Draft`` of ``Draft | Result[Draft]``."""
    if get_origin(returned) is Result:
        return get_args(returned)[0]
    if get_origin(returned) not in (Union, types.UnionType):
        return returned
    members = [_data_type(each) for each in get_args(returned) if each is not Result]
    return union_of(members)
