"""The IR: one immutable JSON document per workflow, addressed by digest (design.md, section 5).

```text
Workflow    format, name, start state, states, what runs at the end
State       a body, its inputs, ordered transitions to states or ends
Graph       inputs {name: schema}, nodes {id: node}, outputs {port: input expression}, types {port: schema}
Node        task | const | operation | map | loop | branch | join | wait | call | machine
```
`core.terms` has what inputs and conditions are made of.
A body (of a state, a map, a loop, an arm, a call) is a closed graph: what it uses from outside is among its inputs.
What a state, a transition or an end says stands in the graph of the machine: there `Ref("")` is an input of the run,
and `Ref("write")` the output of the latest visit of the state `write`, null before there was one.
"""

from enum import Enum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from tidemill.core.requirements import Requirements, narrowed
from tidemill.core.rules import Backoff, CacheRule, RetryRule
from tidemill.core.terms import Condition, Input

FORMAT = "tidemill.graph/1"
ITEMS, FINAL = "items", "final"  # the ports of a stream with a final value
FINALLY = "~finally"  # the scope of what runs at the end
UNDO = "~undo"  # ends the name of a step that takes another back

Schema = dict[str, Any]  # a JSON Schema document; opaque here but for `core.fit`


# Nodes ---------------------------------------------------------------------------------------------


class ElementFailure(Enum):
    """What the failure of one element does to its map."""

    STOP = "stop"
    SKIP = "skip"
    COLLECT = "collect"


class NodeOptions(Struct, frozen=True, omit_defaults=True):
    """Options set at the node; they override the task's own. Lengths of time in seconds."""

    retries: int | None = None
    timeout_s: float | None = None
    priority: int | None = None
    backoff: Backoff | None = None
    cache: CacheRule | None = None
    requires: Requirements | None = None  # narrow the task's own
    retry: RetryRule | None = None


def overlaid(under: NodeOptions, over: NodeOptions) -> NodeOptions:
    """What ``over`` says, and where it says nothing, what ``under`` says."""
    said = {name: value for name in over.__struct_fields__ if (value := getattr(over, name)) is not None}
    if under.requires is not None and over.requires is not None:
        said["requires"] = narrowed(under.requires, over.requires)
    return replace(under, **said) if said else under


class Skip(Struct, frozen=True, tag="skip"):
    """A node that failed, and what needs it, is left out; the rest goes on."""


class Default(Struct, frozen=True, tag="default"):
    """This stands for the output of a node that failed; for one with several ports it is a record of them."""

    value: Any


Rescue = Skip | Default


class Undo(Struct, frozen=True, omit_defaults=True):
    """The task that takes back what a node did: run with its output as ``param`` when the run does not succeed."""

    task: str
    param: str
    schema: str = ""
    takes: Schema = field(default_factory=dict)
    outputs: dict[str, Schema] = field(default_factory=dict)
    options: NodeOptions = NodeOptions()


class Anywhere(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every node but a constant may say. ``after`` names nodes that it waits for without their outputs."""

    after: tuple[str, ...] = ()
    rescue: Rescue | None = None  # what its failure does; None: it fails its graph


class TaskNode(Anywhere, frozen=True, tag="task", omit_defaults=True):
    task: str
    inputs: dict[str, Input]
    outputs: dict[str, Schema]
    schema: str = ""  # digest of the definition it was traced against; "" when only the name was known
    takes: Schema = field(default_factory=dict)  # the task's input schema
    stream: bool = False
    options: NodeOptions = NodeOptions()
    undo: Undo | None = None


class ConstNode(Struct, frozen=True, tag="constant"):
    value: Any
    type: Schema = field(name="schema")  # `type` is the key that tells nodes apart


class OpNode(Anywhere, frozen=True, tag="operation", omit_defaults=True):
    """A pure operation of `core.operations`, done by the engine."""

    op: str
    inputs: dict[str, Input]
    type: Schema = field(name="schema")


class MapNode(Anywhere, frozen=True, tag="map", omit_defaults=True):
    """Run ``body`` for each element of one to three lists of one length; output ports are lists, in order."""

    over: dict[str, Input]  # parameter of the body -> list
    body: "Graph"
    inputs: dict[str, Input] = field(default_factory=dict)  # captured by the body
    window: int = 16
    on_failure: ElementFailure = ElementFailure.STOP


class LoopNode(Anywhere, frozen=True, tag="loop", omit_defaults=True):
    """Run ``body`` on ``start``, then on its own output, until the condition holds; ``until`` stands in the body."""

    param: str  # of the body
    start: Input
    body: "Graph"
    until: Condition
    limit: int  # of rounds; at the end of the last one without ``until`` the loop fails
    inputs: dict[str, Input] = field(default_factory=dict)  # captured by the body


class Case(Struct, frozen=True):
    """One arm of a branch; ``name`` is its segment in paths (`then`, `otherwise`, a case of a switch)."""

    name: str
    when: Condition | None  # None: always; only the last arm
    body: "Graph"


class BranchNode(Anywhere, frozen=True, tag="branch", omit_defaults=True):
    """The first arm whose condition holds runs; conditions are over the enclosing graph."""

    cases: tuple[Case, ...]
    inputs: dict[str, Input] = field(default_factory=dict)  # for all arms


class Rest(Enum):
    """What becomes of the arms that a join does not need any more."""

    CANCEL = "cancel"
    LEAVE = "leave"  # they go on; the graph ends after them


class Arm(Struct, frozen=True):
    """``name`` is its segment in paths."""

    name: str
    body: "Graph"


class JoinNode(Anywhere, frozen=True, tag="join", omit_defaults=True):
    """Run all arms side by side, until ``need`` of them have succeeded.

    The output is a list of theirs, in the order of the arms; with ``single`` (and a need of 1) that of the first.
    """

    arms: tuple[Arm, ...]
    need: int
    rest: Rest = Rest.CANCEL
    single: bool = False
    inputs: dict[str, Input] = field(default_factory=dict)  # for all arms


class SignalWait(Struct, frozen=True, tag="signal", omit_defaults=True):
    """A message from outside, sent to the run by name, or to whoever waits for the name with this key."""

    name: str
    key: Input | None = None


class EventWait(Struct, frozen=True, tag="event"):
    """An event that a task of the run tells of."""

    event: str


class TimeWait(Struct, frozen=True, tag="time", omit_defaults=True):
    """Until an instant (RFC 3339), or for some seconds."""

    at: Input | None = None
    for_s: Input | None = None


class ApprovalWait(Struct, frozen=True, tag="approval", omit_defaults=True):
    """The choice of a person."""

    question: str
    choices: tuple[str, ...]
    shows: Input | None = None


class Late(Enum):
    """What a wait does that was in vain."""

    FAIL = "fail"  # with the code `timeout`
    GO_ON = "go_on"  # it ends with the status `timeout` and null


class WaitNode(Anywhere, frozen=True, tag="wait", omit_defaults=True):
    """Nothing runs. A wait for anything but an instant says ``within_s``, or ``forever``."""

    what: SignalWait | EventWait | TimeWait | ApprovalWait
    type: Schema = field(name="schema")
    within_s: float | None = None
    late: Late = Late.FAIL
    forever: bool = False  # says that it may wait for ever: without it and without ``within_s`` it is refused


class CallNode(Anywhere, frozen=True, tag="call", omit_defaults=True):
    workflow: str
    inputs: dict[str, Input]
    body: "Graph"


class MachineNode(Anywhere, frozen=True, tag="machine", omit_defaults=True):
    """A machine of states inside a graph; see `Workflow`."""

    workflow: str
    inputs: dict[str, Input]
    start: str
    states: dict[str, "State"]
    takes: dict[str, Schema] = field(default_factory=dict)
    types: dict[str, Schema] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> "Graph":
        """What it takes and gives, as a graph without nodes."""
        return Graph(inputs=self.takes, nodes={}, outputs={}, types=self.types, optional=self.optional)


Node = TaskNode | ConstNode | OpNode | MapNode | LoopNode | BranchNode | JoinNode | WaitNode | CallNode | MachineNode


class Graph(Struct, frozen=True, omit_defaults=True):
    inputs: dict[str, Schema]
    nodes: dict[str, Node]
    outputs: dict[str, Input]
    types: dict[str, Schema]
    optional: dict[str, Any] = field(default_factory=dict)  # inputs with a default, and the default in JSON


# Machines ------------------------------------------------------------------------------------------


class Ending(Enum):
    SUCCESS = "success"
    FAILURE = "failure"


class End(Struct, frozen=True, omit_defaults=True):
    """The run ends. ``outputs`` and what ``message`` is made of stand in the graph of the machine."""

    outcome: Ending
    status: str = ""  # of a success: what `status` shows; of a failure: what its message names
    outputs: dict[str, Input] = field(default_factory=dict)


class Transition(Struct, frozen=True, omit_defaults=True):
    """Where to go from a state: the first that fits is taken.

    One with a ``status`` fits that status: one that a task set, ``failure`` for any failure, or the code of one.
    One with ``when`` fits a state that did not fail if the condition holds; one with neither, any that did not fail.
    """

    to: str | End
    status: str = ""
    when: Condition | None = None
    max_visits: int | None = None  # of the state that it leads to; past that it does not fit


class State(Struct, frozen=True, omit_defaults=True):
    body: Graph
    inputs: dict[str, Input] = field(default_factory=dict)  # of the body, in the graph of the machine
    transitions: tuple[Transition, ...] = ()


class Final(Struct, frozen=True):
    """What runs when the run is over, however it ended; ``inputs`` are inputs of the run, or constants."""

    body: Graph
    inputs: dict[str, Input] = field(default_factory=dict)


class Workflow(Struct, frozen=True, omit_defaults=True):
    """A machine of states; a plain graph is a machine of the one state ``""``, whose paths have no prefix.

    A machine of named states says its ``inputs``, ``types`` and ``optional`` here; of a plain graph the body does.
    """

    format: str  # FORMAT; another is refused by name
    name: str
    start: str
    states: dict[str, State]
    inputs: dict[str, Schema] = field(default_factory=dict)
    types: dict[str, Schema] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    final: Final | None = None

    @property
    def is_machine(self) -> bool:
        return self.start != ""

    @property
    def body(self) -> Graph:
        """Of a plain graph; of a machine, the body that it starts with."""
        return self.states[self.start].body

    @property
    def shape(self) -> Graph:
        """What it takes and gives, as a graph without nodes."""
        if not self.is_machine:
            return self.body
        return Graph(inputs=self.inputs, nodes={}, outputs={}, types=self.types, optional=self.optional)

    @property
    def bodies(self) -> dict[str, Graph]:
        """All graphs at the top, each with its place: ``""``, a state's name, or ``finally``."""
        found = {name: state.body for name, state in self.states.items()}
        return found if self.final is None else {**found, FINALLY: self.final.body}
