"""The words of control flow. In a workflow they make nodes; anywhere else they run on real values."""

from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, Literal, ParamSpec, TypeVar, cast, get_args, get_origin, overload

from tidemill.core.shape import MOST_ROUNDS
from tidemill.core.terms import AllOf, AnyOf, Not, Present, Ref
from tidemill.sdk.definition import Definition, recording
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.expressions import recorded
from tidemill.sdk.failures import classify
from tidemill.sdk.kinds import bare, members, some
from tidemill.sdk.nodes import Arm, Trace
from tidemill.sdk.options import ELEMENT_FAILURES, Collect, OnFailure
from tidemill.sdk.plans import plan_of
from tidemill.sdk.result import Failure
from tidemill.sdk.standin import Criterion, Facts, Standin, TraceError, condition_of, facts_of, holds_standins, measured
from tidemill.sdk.tracer import Tracer

P = ParamSpec("P")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
K = TypeVar("K")
R = TypeVar("R")
T = TypeVar("T")

Condition = bool  # what type checkers take a comparison of stand-ins for


def _trace() -> Trace | None:
    return cast("Trace | None", recording.get())


@overload
def map_over(
    body: Callable[[A], R], a: list[A], /, *, window: int = ..., on_failure: Collect, name: str = ...
) -> list[R | Failure]: ...
@overload
def map_over(
    body: Callable[[A, B], R], a: list[A], b: list[B], /, *, window: int = ..., on_failure: Collect, name: str = ...
) -> list[R | Failure]: ...
@overload
def map_over(
    body: Callable[[A, B, C], R], a: list[A], b: list[B], c: list[C], /,
    *, window: int = ..., on_failure: Collect, name: str = ...,
) -> list[R | Failure]: ...  # fmt: skip
@overload
def map_over(
    body: Callable[[A], R], a: list[A], /, *, window: int = ..., on_failure: OnFailure = ..., name: str = ...
) -> list[R]: ...
@overload
def map_over(
    body: Callable[[A, B], R], a: list[A], b: list[B], /,
    *, window: int = ..., on_failure: OnFailure = ..., name: str = ...,
) -> list[R]: ...  # fmt: skip
@overload
def map_over(
    body: Callable[[A, B, C], R], a: list[A], b: list[B], c: list[C], /,
    *, window: int = ..., on_failure: OnFailure = ..., name: str = ...,
) -> list[R]: ...  # fmt: skip
def map_over(
    body: Callable[..., Any],
    /,
    *lists: list[Any],
    window: int = 16,
    on_failure: OnFailure | Collect = OnFailure.STOP_RUN,
    name: str = "",
) -> object:
    """Run the body on each element, or on each row of lists of one length; results keep the order.

    Args:
        window: how many elements are in flight at most.
        on_failure: what the failure of one element does; with ``collect`` it stands in the list as a `Failure`.
        name: of the node, where the name of the body will not do.
    """
    if window < 1:
        raise ValueError(f"window is the number of elements in flight, from 1, not {window}")
    trace = _trace()
    if trace is not None:
        return trace.map(name, body, lists, window=window, on_failure=ELEMENT_FAILURES[on_failure])
    results = [_attempted(body, row, on_failure) for row in zip(*lists, strict=True)]
    return [each for each in results if on_failure is Collect.COLLECT or not isinstance(each, _Skipped)]


class _Skipped:
    """The place of an element that failed and is left out."""


def _attempted(body: Callable[..., R], row: tuple[Any, ...], on_failure: OnFailure | Collect) -> Any:
    if on_failure is OnFailure.STOP_RUN:
        return body(*row)
    try:
        return body(*row)
    except Exception as error:  # noqa: BLE001  # as a worker does, and with the same meaning
        failure = classify(error, told_to_stop=False)
        return Failure(failure.code, failure.message) if on_failure is Collect.COLLECT else _Skipped()


def branch(condition: Condition, /, *, then: Callable[[], A], otherwise: Callable[[], B], name: str = "") -> A | B:
    """Run one of two bodies."""
    trace = _trace()
    criterion = condition if trace is None else condition_of(condition)
    if trace is None or isinstance(criterion, bool):
        return then() if criterion else otherwise()
    arms = [Arm("then", criterion, then), Arm("otherwise", None, otherwise)]
    return cast("A | B", trace.branch(name or "branch", "branch", arms))


def loop(body: Callable[[T], T], start: T, /, *, until: Callable[[T], Condition], limit: int, name: str = "") -> T:
    """Run the body on ``start``, then on its own result, until the condition holds of that; give the last result.

    Args:
        limit: how many rounds there are at most; when the last one ends and ``until`` does not hold, the loop fails.
        name: of the node, where the name of the body will not do.
    """
    if not 1 <= limit <= MOST_ROUNDS:
        raise ValueError(f"limit is the number of rounds, from 1 to {MOST_ROUNDS}, not {limit}")
    trace = _trace()
    if trace is not None:
        return cast(T, trace.loop(name, body, start, until=until, limit=limit))
    value = start
    for _ in range(limit):
        value = body(value)
        if until(value):
            return value
    raise PermanentError(f"after {limit} rounds, its limit, the loop has not ended")


@overload
def switch(subject: K, cases: Mapping[K, Callable[[], A]], /, *, name: str = ...) -> A: ...
@overload
def switch(
    subject: K, cases: Mapping[K, Callable[[], A]], /, *, otherwise: Callable[[], B], name: str = ...
) -> A | B: ...
def switch(
    subject: K, cases: Mapping[K, Callable[[], A]], /, *, otherwise: Callable[[], B] | None = None, name: str = ""
) -> A | B:
    """Run the body of the case that the subject equals. Without ``otherwise`` the cases cover the subject's type."""
    trace = _trace()
    if trace is not None and isinstance(subject, Standin):
        return cast("A | B", trace.branch(name or "switch", "switch", _cases(subject, cases, otherwise)))
    chosen = cases.get(subject, otherwise)
    if chosen is None:
        raise LookupError(f"no case for {subject!r}")
    return chosen()


def _cases(subject: Standin, cases: Mapping[Any, Callable[[], Any]], otherwise: Callable[[], Any] | None) -> list[Arm]:
    facts = facts_of(subject)
    possible = _values_of(facts.plan.kind)
    strange = [key for key in cases if possible is not None and key not in possible]
    if strange:
        raise TraceError(f"{facts.text} is never {strange[0]!r}; it is one of {', '.join(map(repr, possible or ()))}")
    if otherwise is None:
        left = None if possible is None else [value for value in possible if value not in cases]
        if left is None or left:
            which = f"for {', '.join(map(repr, left))}" if left else f"for the rest of {facts.plan.name}"
            raise TraceError(f"switch has no case {which}; add it, or otherwise=")
    arms = [Arm(_case_name(key), subject == key, body) for key, body in cases.items()]
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names) or "otherwise" in names:
        raise TraceError(f"two cases of switch would have one name: {', '.join(names)}")
    return [*arms, Arm("otherwise", None, otherwise)] if otherwise else arms


def _values_of(kind: Any) -> list[Any] | None:
    """All values of a type; None when they are not known."""
    kind = bare(kind)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if kind is bool:
        return [True, False]
    if kind is type(None):
        return [None]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)
    if len(members(kind)) > 1:
        parts = [_values_of(each) for each in members(kind)]
        return None if None in parts else [value for part in parts for value in part or ()]
    return None


def _case_name(key: object) -> str:
    """A case as a segment of a path."""
    text = str(key.value if isinstance(key, Enum) else key)
    return "".join("-" if letter in "/[]#~" else letter for letter in text) or "-"


def if_some(value: T | None, /, *, then: Callable[[T], A], otherwise: Callable[[], B], name: str = "") -> A | B:
    """Run ``then`` on a value that is there, ``otherwise`` on None."""
    trace = _trace()
    if trace is None or not isinstance(value, Standin):
        return otherwise() if value is None else then(value)
    facts = facts_of(value)
    if type(None) not in members(facts.plan.kind) and facts.plan.kind is not Any:
        raise TraceError(f"{facts.text} is never None; use it as it is")
    if not isinstance(facts.expression, Ref):
        raise TraceError(f"{facts.text} is no result of a step, so nobody can look whether it is there")
    there = Facts(facts.expression, plan_of(some(facts.plan.kind)), facts.owner)
    present = Criterion(Present(facts.expression), facts.owner)
    arms = [Arm("then", present, then, (there,)), Arm("otherwise", None, otherwise)]
    return cast("A | B", trace.branch(name or "if_some", "if_some", arms))


def call(target: Definition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Make a node of a definition that came as a value."""
    return target(*args, **kwargs)


def record(cls: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Build a record of a class that validates: in a workflow, when the step that takes it runs."""
    trace = _trace()
    if trace is None or not holds_standins([*args, *kwargs.values()]):
        return cls(*args, **kwargs)
    plan = plan_of(cls)
    names = list(getattr(cls, "__match_args__", ())) or list(plan.schema.get("properties", ()))
    if len(args) > len(names):
        raise TypeError(f"{plan.name} takes {len(names)} arguments by position, got {len(args)}")
    values = {**dict(zip(names, args, strict=False)), **kwargs}
    return cast(R, Standin(Facts(recorded(trace, cls, values), plan, trace)))


def _graph_of(*conditions: object) -> Tracer | None:
    """Where conditions stand: in the trace under way, else in the graph of the machine that they are of."""
    trace = _trace()
    if trace is not None:
        return trace
    owners = (_owner_of(each) for each in conditions)
    return next((owner for owner in owners if owner is not None), None)


def _owner_of(value: object) -> Tracer | None:
    if isinstance(value, Criterion):
        return cast("Tracer", value.owner)
    return cast("Tracer", facts_of(value).owner) if isinstance(value, Standin) else None


_endings: ContextVar[list[Callable[[], object]] | None] = ContextVar("_endings", default=None)


def finally_(body: Callable[[], object], /) -> None:
    """Run the body when the run is over, in success, failure or a cancel, and after what is undone.

    It uses inputs of the workflow and constants only, since nothing else is sure to be there. If it fails, so does the
    run.
    Called plainly, it runs when the workflow's function returns or raises.
    """
    trace = _trace()
    if trace is not None:
        trace.at_the_end(body)
        return
    endings = _endings.get()
    if endings is None:
        raise TraceError("finally_ stands in a workflow")
    endings.append(body)


@contextmanager
def with_endings() -> Iterator[None]:
    """A plain call of a workflow's function: what it gave to `finally_` runs after it."""
    endings: list[Callable[[], object]] = []
    token = _endings.set(endings)
    try:
        yield
    finally:
        _endings.reset(token)
        for body in endings:
            body()


def not_(condition: Condition, /) -> Condition:
    """``not``, of conditions."""
    trace = _graph_of(condition)
    inner = condition if trace is None else condition_of(condition)
    if trace is None or isinstance(inner, bool):
        return not inner
    return cast(bool, Criterion(Not(trace.condition(inner)), trace))


def all_of(*conditions: Condition) -> Condition:
    """``and``, of conditions."""
    trace = _graph_of(*conditions)
    if trace is None:
        return all(conditions)
    criteria = [condition_of(each) for each in conditions]
    left = tuple(trace.condition(each) for each in criteria if isinstance(each, Criterion))
    if any(each is False for each in criteria) or not left:
        return all(each is not False for each in criteria)
    return cast(bool, Criterion(AllOf(left), trace))


def any_of(*conditions: Condition) -> Condition:
    """``or``, of conditions."""
    trace = _graph_of(*conditions)
    if trace is None:
        return any(conditions)
    criteria = [condition_of(each) for each in conditions]
    left = tuple(trace.condition(each) for each in criteria if isinstance(each, Criterion))
    if any(each is True for each in criteria) or not left:
        return any(each is True for each in criteria)
    return cast(bool, Criterion(AnyOf(left), trace))


def size(items: Sized, /) -> int:
    """``len``, for conditions: ``size(photos) > 3``."""
    return cast(int, measured(items)) if isinstance(items, Standin) else len(items)
