"""What each step of a DAG takes, found by name: from its parents, and from the inputs of the DAG."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, get_origin

from msgspec import Struct

from tidemill.core.terms import VALUE
from tidemill.sdk.forms import is_named_tuple, is_record
from tidemill.sdk.kinds import bare, keys_of, members
from tidemill.sdk.named import NamedTask
from tidemill.sdk.standin import TraceError
from tidemill.sdk.steps import Step, TaskStep, steps_in

if TYPE_CHECKING:
    from tidemill.sdk.dag import Nodes

AnyStep = TaskStep[Any]


class Offer(Struct, frozen=True, eq=False):
    """What a step may take: an input of the DAG, the result of a parent, or a port or field of it."""

    name: str  # under which it is offered
    parent: AnyStep | None = None
    part: str = ""

    @property
    def text(self) -> str:
        if self.parent is None:
            return f"the input {self.name!r}"
        return f"{self.parent.name}.{self.part}" if self.part else self.parent.name


class Joined(Struct, frozen=True):
    """What a step takes: by parameter, or (``merged``) as fields of its one record. ``after`` it only follows."""

    taken: dict[str, Offer]
    after: tuple[AnyStep, ...] = ()
    merged: str = ""  # the parameter that takes a record of all that is taken


def ordered(nodes: "Nodes") -> list[AnyStep]:
    """All steps, each after those that it follows. Raises TraceError for a circle, with its path."""
    waits = {name: [each.name for each in sources_of(step)] for name, step in nodes.steps.items()}
    try:
        return [nodes.steps[name] for name in TopologicalSorter(waits).static_order()]
    except CycleError as error:
        circle = " >> ".join(error.args[1])
        raise TraceError(f"{nodes.kind} {nodes.name}: these steps follow each other in a circle: {circle}") from None


def sources_of(step: AnyStep) -> list[AnyStep]:
    """The steps that it waits for: its parents, and those that its condition is made of."""
    conditions = steps_in(step.when) if step.when is not None else []
    return list(dict.fromkeys([*_tasks(step.parents), *_tasks(conditions)]))


def _tasks(steps: Sequence[Step[Any]]) -> Iterator[AnyStep]:
    return (each for each in steps if isinstance(each, TaskStep))


def joined(nodes: "Nodes", step: AnyStep) -> Joined:
    """Raises TraceError: a name that nobody offers, or that two do."""
    parents = list(_tasks(step.parents))
    parameters = step.task.signature.parameters
    if isinstance(step.task, NamedTask) and not step.takes:
        offers = [Offer(each.name, each) for each in parents] or [Offer(name) for name in nodes.inputs]
        return Joined({each.name: each for each in offers}, tuple(parents if not offers else ()))
    offers = [offer for parent in parents for offer in _offers_of(parent)] + [Offer(name) for name in nodes.inputs]
    taken = _picked(nodes, step, step.takes or list(parameters), offers)
    wanted = step.takes or [each.name for each in parameters.values() if each.is_required]
    missing = [name for name in wanted if name not in taken]
    if len(parameters) == 1 and missing and parents:
        (only,) = parameters.values()
        if (kind := bare(only.plan.kind)) and _is_mergeable(kind):
            return _merged(nodes, step, only.name, kind)
    if missing:
        raise TraceError(_missing(nodes, step, missing[0], offers))
    used = {offer.parent for offer in taken.values()}
    return Joined(taken, tuple(each for each in parents if each not in used))


def _offers_of(parent: AnyStep) -> Iterator[Offer]:
    yield Offer(parent.name, parent)
    signature = parent.task.signature
    if signature.tuple_type is not None:
        yield from (Offer(port, parent, port) for port in signature.outputs if port != VALUE)


def _picked(nodes: "Nodes", step: AnyStep, names: Sequence[str], offers: Sequence[Offer]) -> dict[str, Offer]:
    found: dict[str, Offer] = {}
    for offer in offers:
        if offer.name not in names:
            continue
        if offer.name in found:
            raise TraceError(
                f"{_place(nodes, step)}: {found[offer.name].text} and {offer.text} both offer {offer.name!r}; give one "
                "of the steps another name, with add(task, name=…)"
            )
        found[offer.name] = offer
    return found


def _missing(nodes: "Nodes", step: AnyStep, name: str, offers: Sequence[Offer]) -> str:
    known = list(dict.fromkeys(offer.name for offer in offers))
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known) or 'nothing'}"
    return (
        f"{_place(nodes, step)}: nothing offers its parameter {name!r}; a parent offers its result under its own name, "
        f"and {hint}"
    )


def _place(nodes: "Nodes", step: AnyStep) -> str:
    return f"{nodes.kind} {nodes.name}: {step.name}({step.task.name})"


def _is_mergeable(kind: Any) -> bool:
    cls = get_origin(kind) or kind
    return cls is dict or hasattr(cls, "__pydantic_validator__") or (is_record(cls) and not is_named_tuple(cls))


def _merged(nodes: "Nodes", step: AnyStep, param: str, kind: Any) -> Joined:
    """One record of what all parents give: results by the names of their steps, and the fields of records."""
    fields = [] if (get_origin(kind) or kind) is dict else list(keys_of(kind))
    offers = [offer for parent in _tasks(step.parents) for offer in _parts_of(nodes, step, parent, fields)]
    taken = _picked(nodes, step, fields or [offer.name for offer in offers], offers)
    taken |= {name: Offer(name) for name in fields if name in nodes.inputs and name not in taken}
    used = {offer.parent for offer in taken.values()}
    return Joined(taken, tuple(each for each in _tasks(step.parents) if each not in used), param)


def _parts_of(nodes: "Nodes", step: AnyStep, parent: AnyStep, wanted: Sequence[str]) -> Iterator[Offer]:
    kind = bare(parent.task.signature.result.kind)
    cls = get_origin(kind) or kind
    fields = list(keys_of(kind)) if is_record(cls) or hasattr(cls, "__pydantic_validator__") else []
    if not fields or parent.name in wanted:
        yield Offer(parent.name, parent)
    if cls is dict and parent.name not in wanted:
        raise TraceError(
            f"{_place(nodes, step)}: which keys {parent.name} gives is not known before it runs, so they cannot be "
            f"merged; take it by name, as a parameter {parent.name!r}"
        )
    yield from (Offer(field, parent, field) for field in fields)


class Link(Struct, frozen=True, eq=False):
    """A step with what it takes, and the ``guards`` without which it is skipped: steps that may be skipped."""

    step: AnyStep
    found: Joined
    guards: tuple[AnyStep, ...] = ()

    @property
    def may_be_skipped(self) -> bool:
        return self.step.when is not None or bool(self.guards)


def links(nodes: "Nodes") -> dict[AnyStep, Link]:
    """All steps with what they take, each after those that it follows. Raises TraceError."""
    known: dict[AnyStep, Link] = {}
    for step in ordered(nodes):
        found = joined(nodes, step)
        guards = tuple(each for each in _needed(step, found) if known[each].may_be_skipped)
        known[step] = Link(step, found, guards)
    return known


def _needed(step: AnyStep, found: Joined) -> list[AnyStep]:
    """A parent whose result goes to parameters that may be None is not needed: they take None instead."""
    parents = [each for each in _tasks(step.parents) if not _takes_none(step, each, found)]
    return list(dict.fromkeys([*parents, *(each for each in sources_of(step) if each not in step.parents)]))


def _takes_none(step: AnyStep, parent: AnyStep, found: Joined) -> bool:
    params = [name for name, offer in found.taken.items() if offer.parent is parent]
    parameters: Mapping[str, Any] = step.task.signature.parameters
    return bool(params) and not found.merged and all(_may_be_none(parameters[name].plan.kind) for name in params)


def _may_be_none(kind: Any) -> bool:
    return kind is not Any and type(None) in members(kind)
