"""Inputs, conditions, transitions and nodes in words, as a person reads them in a picture or a tree."""

import json

from tidemill.core.fit import describe, view_of
from tidemill.core.graph import (
    ApprovalWait,
    BranchNode,
    CallNode,
    ConstNode,
    Default,
    ElementFailure,
    End,
    Ending,
    EventWait,
    JoinNode,
    Late,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    Schema,
    SignalWait,
    TaskNode,
    TimeWait,
    Transition,
    WaitNode,
)
from tidemill.core.node_types import ports_of
from tidemill.core.terms import (
    VALUE,
    AllOf,
    AnyOf,
    Calc,
    Compare,
    Condition,
    Constant,
    Contains,
    Has,
    Input,
    IsTrue,
    ListExpr,
    Not,
    Operand,
    Present,
    RecordExpr,
    Ref,
    Size,
    StatusOf,
)

MOST_OF_A_CONSTANT = 32  # characters

Wait = SignalWait | EventWait | TimeWait | ApprovalWait


def printable(text: str) -> str:
    """The same, with a sign for each letter that controls something or is not to be seen."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def type_words(schema: Schema) -> str:
    return describe(view_of(schema))


def types_words(types: dict[str, Schema]) -> str:
    """One type, or ports with theirs."""
    if list(types) == [VALUE]:
        return type_words(types[VALUE])
    return ", ".join(f"{name}: {type_words(schema)}" for name, schema in types.items())


def gives(node: Node) -> str:
    """The types of a node's outputs; "" when it has none."""
    ports = ports_of(node)
    if list(ports) == [VALUE]:
        return describe(ports[VALUE])
    return ", ".join(f"{port}: {describe(view)}" for port, view in ports.items())


def input_words(term: Input | Operand) -> str:
    match term:
        case Ref():
            return _ref(term)
        case Constant(value=value):
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= MOST_OF_A_CONSTANT else text[: MOST_OF_A_CONSTANT - 1] + "…"
        case ListExpr(items=items):
            return f"[{', '.join(map(input_words, items))}]"
        case RecordExpr(fields=fields):
            return "{" + ", ".join(f"{name}: {input_words(part)}" for name, part in fields.items()) + "}"
        case Size(of=of):
            return f"size({input_words(of)})"
        case StatusOf(of=of):
            return f"status of {of}"
        case Calc(op=op, left=left, right=right):
            return f"({input_words(left)} {op.value} {input_words(right)})"


def _ref(ref: Ref) -> str:
    names = [ref.node] if ref.node else []
    if not ref.node or ref.port != VALUE:
        names.append(ref.port)
    return ".".join(names) + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in ref.fields)


def condition_words(condition: Condition) -> str:  # noqa: C901  # one match over a union
    match condition:
        case Compare(op=op, left=left, right=right):
            return f"{input_words(left)} {op.value} {input_words(right)}"
        case IsTrue(of=of):
            return _ref(of)
        case Present(of=of):
            return f"{_ref(of)} is not null"
        case Has(of=of):
            return f"has {_ref(of)}"
        case Contains(item=item, within=within):
            return f"{input_words(item)} in {input_words(within)}"
        case Not(of=inner):
            return f"not {_grouped(inner)}"
        case AllOf(of=parts):
            return " and ".join(map(_grouped, parts))
        case AnyOf(of=parts):
            return " or ".join(map(_grouped, parts))


def _grouped(condition: Condition) -> str:
    words = condition_words(condition)
    return f"({words})" if isinstance(condition, AllOf | AnyOf | Not) else words


def transition_words(transition: Transition) -> str:
    """When it is taken; of a failure it says nothing unless it says a status."""
    if transition.status:
        words = f"on {transition.status}"
    else:
        words = "otherwise" if transition.when is None else f"when {condition_words(transition.when)}"
    return words if transition.max_visits is None else f"{words}, at most {transition.max_visits} visits"


def end_words(end: End) -> str:
    return end.status or ("the run fails" if end.outcome is Ending.FAILURE else "the run succeeds")


def kind_of(node: Node) -> str:
    return str(node.__struct_config__.tag)


def node_words(node: Node) -> str:  # noqa: C901  # one match over a union
    """What it is, in a few words; its inputs and outputs apart."""
    match node:
        case TaskNode(task=task, stream=stream):
            return f"stream {task}" if stream else task
        case ConstNode(value=value):
            return input_words(Constant(value))
        case OpNode(op=op):
            return f"operation {op}"
        case MapNode(over=over, window=window):
            return f"for each of {', '.join(map(input_words, over.values()))}, {window} at once"
        case LoopNode(until=until, limit=limit):
            return f"until {condition_words(until)}, at most {limit} rounds"
        case BranchNode():
            return "the first that holds"
        case JoinNode(arms=arms, need=need):
            return "all of these" if need == len(arms) else f"{need} of these {len(arms)}"
        case WaitNode():
            return _wait_words(node)
        case CallNode(workflow=workflow) | MachineNode(workflow=workflow):
            return f"workflow {workflow}"


def _wait_words(node: WaitNode) -> str:
    within = "" if node.within_s is None else f", within {span_words(node.within_s)}"
    return _awaited(node.what) + within + (", or goes on" if node.late is Late.GO_ON else "")


def span_words(seconds: float) -> str:
    """In the largest unit that divides it."""
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count:,} {unit}{'s' * (count > 1)}"
    return f"{seconds:g} s"


def _awaited(what: Wait) -> str:
    match what:
        case SignalWait(name=name, key=None):
            return f"signal {name}"
        case SignalWait(name=name, key=key):
            return f"signal {name} for {input_words(key)}" if key is not None else name
        case EventWait(event=event):
            return f"event {event}"
        case TimeWait(at=at, for_s=for_s):
            if at is not None:
                return f"until {input_words(at)}"
            return f"for {input_words(for_s)} s" if for_s is not None else "for no time"
        case ApprovalWait(question=question, choices=choices):
            return f"“{question}” {' / '.join(choices)}"


def notes_of(node: Node) -> tuple[str, ...]:
    """What it does when something fails, and what undoes it."""
    if isinstance(node, ConstNode):
        return ()
    notes = []
    if isinstance(node, MapNode) and node.on_failure is not ElementFailure.STOP:
        notes.append(f"failed elements: {node.on_failure.value}")
    if node.rescue is not None:
        default = input_words(Constant(node.rescue.value)) if isinstance(node.rescue, Default) else ""
        notes.append(f"if it fails: {default or 'left out'}")
    if isinstance(node, TaskNode) and node.undo is not None:
        notes.append(f"undone by {node.undo.task}")
    return tuple(notes)


def inputs_of(node: Node) -> dict[str, Input]:
    """What it takes, by parameter."""
    match node:
        case ConstNode():
            return {}
        case WaitNode(what=what):
            parts = {"key": "key", "at": "at", "for_s": "for", "shows": "shows"}
            found = {name: getattr(what, field, None) for field, name in parts.items()}
            return {name: each for name, each in found.items() if each is not None}
        case MapNode(over=over, inputs=inputs):
            return {**over, **inputs}
        case LoopNode(param=param, start=start, inputs=inputs):
            return {param: start, **inputs}
        case _:
            return dict(node.inputs)
