"""The words that wait: for a signal, an event, an instant, a person. In a workflow they make nodes.

Outside one nobody sends signals: `tidemill.testing.answers` gives answers to tests, and sleeping takes no time.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from tidemill.core.graph import ApprovalWait, BranchNode, EventWait, Late, SignalWait, TimeWait, WaitNode
from tidemill.core.terms import VALUE, Compare, Comparison, Constant, Input, Ref, StatusOf
from tidemill.core.wait_shape import MOST_SECONDS, faults_of_wait
from tidemill.sdk.answers import InVain, WaitTimedOutError, answer, approval_of
from tidemill.sdk.approvals import Approval
from tidemill.sdk.definition import recording
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.expressions import expression_of, kind_of
from tidemill.sdk.nodes import Arm, Trace
from tidemill.sdk.options import Forever
from tidemill.sdk.plans import plan_of
from tidemill.sdk.standin import Criterion, Standin, TraceError, facts_of

B = TypeVar("B")
C = TypeVar("C", bound=str)
R = TypeVar("R")
T = TypeVar("T")

Within = timedelta | Forever


class Placed(TypedDict, total=False):
    """Where a wait stands: the name of its node, and results (or a list of them) to wait for first."""

    name: str
    after: object


TIMED_OUT = "timeout"


def _trace() -> Trace | None:
    return cast("Trace | None", recording.get())


# Signals and events --------------------------------------------------------------------------------


@overload
def wait_signal(
    signal: str, payload: type[T], /,
    *, within: Within, key: str | int | None = ..., **placed: Unpack[Placed],
) -> T: ...  # fmt: skip
@overload
def wait_signal(
    signal: str, payload: type[T], /,
    *, within: Within, on_timeout: Callable[[], B], key: str | int | None = ..., **placed: Unpack[Placed],
) -> T | B: ...  # fmt: skip
def wait_signal(
    signal: str,
    payload: type[T],
    /,
    *,
    within: Within,
    on_timeout: Callable[[], B] | None = None,
    key: str | int | None = None,
    **placed: Unpack[Placed],
) -> T | B:
    """Wait for a message from outside: ``run.signal("paid", Payment(3))``, ``tidemill signal``, or POST.

    It begins to wait as soon as its graph begins, or when ``after`` and ``key`` are there; a signal that came before
    is kept for it.

    Args:
        signal: its name.
        payload: the type of what it carries; `type(None)` for nothing.
        within: how long; ``FOREVER`` says that it may be for ever. Then it fails with the code ``timeout``.
        on_timeout: what is given in its place when nothing came in time.
        key: whoever sends the signal needs no id of a run: ``client.signal("paid", payment, key=order)``.
        after: a result, or a list of them, to wait for first.
        name: of the node; that of the signal where nothing is said.
    """
    trace = _trace()
    if trace is None:
        return cast("T | B", _plain(answer("signal", signal), on_timeout, signal))
    expression = None if key is None else _key(trace, key, signal)
    wait = _Wait(SignalWait(signal, expression), payload, placed, signal)
    return cast("T | B", _waited(trace, wait, within, on_timeout))


@overload
def wait_event(event: str, payload: type[T], /, *, within: Within, **placed: Unpack[Placed]) -> T: ...
@overload
def wait_event(
    event: str, payload: type[T], /,
    *, within: Within, on_timeout: Callable[[], B], **placed: Unpack[Placed],
) -> T | B: ...  # fmt: skip
def wait_event(
    event: str,
    payload: type[T],
    /,
    *,
    within: Within,
    on_timeout: Callable[[], B] | None = None,
    **placed: Unpack[Placed],
) -> T | B:
    """Wait for an event that a task of the run tells of: ``ctx.emit("page_done", page)``.

    It gives the payload of the latest one of its type, if there was one; else that of the next.

    Args:
        payload: the type of the event's payload.
        within: how long; see `wait_signal`, as for the rest.
    """
    trace = _trace()
    if trace is None:
        return cast("T | B", _plain(answer("event", event), on_timeout, event))
    wait = _Wait(EventWait(event), payload, placed, event)
    return cast("T | B", _waited(trace, wait, within, on_timeout))


# People --------------------------------------------------------------------------------------------


@overload
def approval(
    question: str, /,
    *, choices: tuple[C, ...], within: Within, shows: object = ..., **placed: Unpack[Placed],
) -> Approval[C]: ...  # fmt: skip
@overload
def approval(
    question: str, /,
    *, choices: tuple[C, ...], within: Within, on_timeout: Callable[[], B], shows: object = ...,
    **placed: Unpack[Placed],
) -> Approval[C] | B: ...  # fmt: skip
def approval(
    question: str,
    /,
    *,
    choices: tuple[C, ...],
    within: Within,
    on_timeout: Callable[[], B] | None = None,
    shows: object = None,
    **placed: Unpack[Placed],
) -> Approval[C] | B:
    """Ask a person: by a link, on the run's page, or by ``tidemill approve``.

    A declared type, such as the return type of a state, keeps the choices literal.

    Args:
        choices: what can be chosen, each a text.
        within: how long; see `wait_signal`, as for the rest.
        shows: what they see beside the question; it is waited for first.
    """
    trace = _trace()
    if trace is None:
        given = answer("approval", question)
        found = given if isinstance(given, InVain) else approval_of(given, choices)
        return cast("Approval[C] | B", _plain(found, on_timeout, question))
    _check_texts(question, choices)
    shown = None if shows is None else expression_of(trace, shows, kind_of(shows), "approval(shows)")
    kind = Approval[Literal[choices]]  # type: ignore[valid-type]  # made at run time
    wait = _Wait(ApprovalWait(question, choices, shown), kind, placed, "approval")
    return cast("Approval[C] | B", _waited(trace, wait, within, on_timeout))


def _check_texts(question: Any, choices: Any) -> None:
    texts = [question, *choices] if isinstance(choices, tuple) else [None]
    if not all(isinstance(each, str) for each in texts):
        raise TraceError(
            "an approval has a text for a question, and a tuple of texts for choices; show values of the run by shows="
        )


# Time ----------------------------------------------------------------------------------------------


def sleep_until(at: datetime, /, *, then: Callable[[], R], after: object = None, name: str = "sleep") -> R:
    """Run ``then`` when an instant has come; at once when it has passed. No worker is held meanwhile.

    Args:
        at: aware; a value of the run, or written here.
    """
    trace = _trace()
    if trace is None:
        return then()
    source = expression_of(trace, at, datetime, f"{name}(at)")
    return cast("R", _slept(trace, name, TimeWait(at=source), after, then))


def sleep_for(length: timedelta, /, *, then: Callable[[], R], after: object = None, name: str = "sleep") -> R:
    """Run ``then`` after some time, from milliseconds to years. No worker is held meanwhile.

    Args:
        length: a value of the run, or written here.
        after: a result, or a list of them, from which the time is counted; else it is from when the graph begins.
    """
    trace = _trace()
    if trace is None:
        return then()
    source = _length(trace, length, f"{name}(length)")
    return cast("R", _slept(trace, name, TimeWait(for_s=source), after, then))


def _length(trace: Trace, length: timedelta, place: str) -> Input:
    if isinstance(length, timedelta):
        return Constant(length.total_seconds())
    if not isinstance(length, Standin):
        raise TraceError(f"{place} takes a timedelta, not {length!r}")
    return expression_of(trace, length, timedelta, place)


def _slept(trace: Trace, name: str, what: TimeWait, after: object, then: Callable[[], Any]) -> Any:
    trace.claim(name, 'give this one another, sleep_until(…, name="…")')
    trace.nodes[name] = WaitNode(what, {"type": "null"}, after=_before(trace, after))
    return _following(trace, name, f"{name}_then", [Arm("then", None, then)])


# Inside --------------------------------------------------------------------------------------------


class _Wait:
    """What is common to waits that have a limit."""

    def __init__(self, what: SignalWait | EventWait | ApprovalWait, kind: Any, placed: Placed, name: str) -> None:
        self.what, self.kind = what, kind
        self.name, self.after = placed.get("name") or name, placed.get("after")


def _within_s(within: Any, name: str) -> float | None:
    if isinstance(within, Forever):
        return None
    if not isinstance(within, timedelta):
        raise DefinitionError(f"{name}: within is a timedelta, or FOREVER, not {within!r}")
    length = within.total_seconds()
    if not 0 < length <= MOST_SECONDS:
        raise DefinitionError(f"{name}: within is above zero and at most a hundred years, not {within}")
    return length


def _waited(trace: Trace, wait: _Wait, within: Within, on_timeout: Callable[[], Any] | None) -> Any:
    trace.claim(wait.name, 'give this one another, name="…"')
    plan, within_s = plan_of(wait.kind), _within_s(within, wait.name)
    node = WaitNode(
        wait.what,
        plan.schema,
        within_s=within_s,
        late=Late.FAIL if on_timeout is None else Late.GO_ON,
        forever=within_s is None,
        after=_before(trace, wait.after),
    )
    if fault := next(faults_of_wait(node), ""):
        raise DefinitionError(f"{wait.name}: {fault}")
    trace.nodes[wait.name] = node
    found = trace.output(wait.name, VALUE, plan)
    if on_timeout is None:
        return found
    late = Criterion(Compare(Comparison.EQUAL, StatusOf(wait.name), Constant(TIMED_OUT)), trace)
    arms = [Arm(TIMED_OUT, late, on_timeout), Arm("otherwise", None, lambda: found)]
    return _following(trace, wait.name, f"{wait.name}_or_timeout", arms)


def _following(trace: Trace, wait: str, name: str, arms: Sequence[Arm]) -> Any:
    """A branch that begins when the wait has ended."""
    found = trace.branch(name, "this wait", arms)
    node = trace.nodes[name]
    assert isinstance(node, BranchNode)  # noqa: S101  # just made
    trace.nodes[name] = replace(node, after=(wait,))
    return found


def _before(trace: Trace, after: object) -> tuple[str, ...]:
    """The nodes that results come from; what comes from further out is there already."""
    found: dict[str, None] = {}
    for each in after if isinstance(after, list | tuple) else [after] if after is not None else []:
        if not isinstance(each, Standin):
            raise TraceError(f"after= takes results of steps, not {each!r}")
        source = trace.operand(facts_of(each))
        if isinstance(source, Ref) and source.node:
            found[source.node] = None
    return tuple(found)


def _key(trace: Trace, key: object, signal: str) -> Input:
    kind = kind_of(key) if isinstance(key, Standin) else type(key)
    if kind not in (str, int):
        raise TraceError(f"the key of the signal {signal!r} is a str or an int, not {key!r}")
    return expression_of(trace, key, kind, f"{signal}(key)")


def _plain(given: Any, on_timeout: Callable[[], Any] | None, name: str) -> Any:
    if not isinstance(given, InVain):
        return given
    if on_timeout is None:
        raise WaitTimedOutError(f"nothing came for {name!r}")
    return on_timeout()
