"""The IR: one immutable JSON document per workflow, addressed by digest (design.md, section 5).

```text
Workflow  format, name, start state, states
State     a body
Graph     inputs {name: schema}, nodes {id: node}, outputs {port: input expression}, types {port: schema}
Node      task | const | map | branch | call
Input     ref | const | list | record
```
A body (of a map, an arm, a call) is a closed graph: what it uses from outside is among its inputs.
"""

from enum import Enum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from tidemill.core.requirements import Requirements, narrowed
from tidemill.core.rules import Backoff, CacheRule

FORMAT = "tidemill.graph/1"
VALUE = "value"  # the port of an output that is not a NamedTuple
ITEMS, FINAL = "items", "final"  # the ports of a stream with a final value

Schema = dict[str, Any]  # a JSON Schema document; opaque here but for `core.fit`


class Ref(Struct, frozen=True, tag="ref", omit_defaults=True):
    """An output port of a node, or (node "") an input of the graph; ``fields`` leads into the value."""

    node: str = ""
    port: str = VALUE
    fields: tuple[str | int, ...] = ()


class Constant(Struct, frozen=True, tag="const"):
    value: Any  # plain JSON, by the table of values


class ListExpr(Struct, frozen=True, tag="list"):
    items: tuple["Input", ...]


class RecordExpr(Struct, frozen=True, tag="record"):
    fields: dict[str, "Input"]


Input = Ref | Constant | ListExpr | RecordExpr


# Conditions ----------------------------------------------------------------------------------------


class Comparison(Enum):
    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


class Size(Struct, frozen=True, tag="size"):
    """The length of a list, record or text."""

    of: Input


Operand = Ref | Constant | ListExpr | RecordExpr | Size


class Compare(Struct, frozen=True, tag="compare"):
    op: Comparison
    left: Operand
    right: Operand


class IsTrue(Struct, frozen=True, tag="true"):
    of: Ref


class Present(Struct, frozen=True, tag="present"):
    """The value is not null."""

    of: Ref


class Not(Struct, frozen=True, tag="not"):
    of: "Condition"


class AllOf(Struct, frozen=True, tag="all"):
    of: tuple["Condition", ...]


class AnyOf(Struct, frozen=True, tag="any"):
    of: tuple["Condition", ...]


Condition = Compare | IsTrue | Present | Not | AllOf | AnyOf


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


def overlaid(under: NodeOptions, over: NodeOptions) -> NodeOptions:
    """What ``over`` says, and where it says nothing, what ``under`` says."""
    said = {name: value for name in over.__struct_fields__ if (value := getattr(over, name)) is not None}
    if under.requires is not None and over.requires is not None:
        said["requires"] = narrowed(under.requires, over.requires)
    return replace(under, **said) if said else under


class TaskNode(Struct, frozen=True, tag="task", omit_defaults=True):
    task: str
    inputs: dict[str, Input]
    outputs: dict[str, Schema]
    schema: str = ""  # digest of the definition it was traced against; "" when only the name was known
    takes: Schema = field(default_factory=dict)  # the task's input schema
    stream: bool = False
    options: NodeOptions = NodeOptions()


class ConstNode(Struct, frozen=True, tag="constant"):
    value: Any
    type: Schema = field(name="schema")  # `type` is the key that tells nodes apart


class MapNode(Struct, frozen=True, tag="map", omit_defaults=True):
    """Run ``body`` for each element of one to three lists of one length; output ports are lists, in order."""

    over: dict[str, Input]  # parameter of the body -> list
    body: "Graph"
    inputs: dict[str, Input] = field(default_factory=dict)  # captured by the body
    window: int = 16
    on_failure: ElementFailure = ElementFailure.STOP


class Case(Struct, frozen=True):
    """One arm of a branch; ``name`` is its segment in paths (`then`, `otherwise`, a case of a switch)."""

    name: str
    when: Condition | None  # None: always; only the last arm
    body: "Graph"


class BranchNode(Struct, frozen=True, tag="branch", omit_defaults=True):
    """The first arm whose condition holds runs; conditions are over the enclosing graph."""

    cases: tuple[Case, ...]
    inputs: dict[str, Input] = field(default_factory=dict)  # for all arms


class CallNode(Struct, frozen=True, tag="call"):
    workflow: str
    inputs: dict[str, Input]
    body: "Graph"


Node = TaskNode | ConstNode | MapNode | BranchNode | CallNode


class Graph(Struct, frozen=True, omit_defaults=True):
    inputs: dict[str, Schema]
    nodes: dict[str, Node]
    outputs: dict[str, Input]
    types: dict[str, Schema]
    optional: dict[str, Any] = field(default_factory=dict)  # inputs with a default, and the default in JSON


class State(Struct, frozen=True):
    body: Graph


class Workflow(Struct, frozen=True):
    """A machine of states; a plain graph is a machine of the one state ``""``, whose paths have no prefix."""

    format: str  # FORMAT; another is refused by name
    name: str
    start: str
    states: dict[str, State]

    @property
    def body(self) -> Graph:
        return self.states[self.start].body
