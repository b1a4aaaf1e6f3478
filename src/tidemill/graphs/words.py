"""Inputs, conditions, transitions and nodes in words, as a person reads them in a picture or a tree."""

from tidemill.core.conditions import text_of
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
    Constant,
    Input,
)

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


def transition_words(transition: Transition) -> str:
    """When it is taken; of a failure it says nothing unless it says a status."""
    if transition.status:
        words = f"on {transition.status}"
    else:
        words = "otherwise" if transition.when is None else f"when {text_of(transition.when)}"
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
            return text_of(Constant(value))
        case OpNode(op=op):
            return f"operation {op}"
        case MapNode(over=over, window=window):
            return f"for each of {', '.join(map(text_of, over.values()))}, {window} at once"
        case LoopNode(until=until, limit=limit):
            return f"until {text_of(until)}, at most {limit} rounds"
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
            return f"signal {name} for {text_of(key)}" if key is not None else name
        case EventWait(event=event):
            return f"event {event}"
        case TimeWait(at=at, for_s=for_s):
            if at is not None:
                return f"until {text_of(at)}"
            return f"for {text_of(for_s)} s" if for_s is not None else "for no time"
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
        default = text_of(Constant(node.rescue.value)) if isinstance(node.rescue, Default) else ""
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
