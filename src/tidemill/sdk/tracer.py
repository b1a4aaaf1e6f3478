"""A trace under way: the graph that grows while a workflow's function runs on stand-ins."""

from typing import Any

from tidemill.core.graph import Graph, Node, Schema
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
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.standin import Criterion, Facts, Standin, TraceError

Root = tuple[str, str]  # node ("" for an input) and port


class Captures:
    """What the bodies of one node use of the graph around it: name of the input there -> value here."""

    def __init__(self, reserved: tuple[str, ...] = ()) -> None:
        self.inputs: dict[str, Input] = {}
        self._names: dict[Root, str] = {}
        self._taken = set(reserved)

    def name(self, root: Root) -> str:
        """The same for each use of a value: its node's or its input's name, and the port where there are several."""
        if root not in self._names:
            node, port = root
            base = (node if port == VALUE else f"{node}_{port}") if node else port
            name, count = base, 1
            while name in self._taken:
                count += 1
                name = f"{base}_{count}"
            self._taken.add(name)
            self._names[root] = name
            self.inputs[name] = Ref(node, port)
        return self._names[root]


class Tracer:
    """One graph. A body inside it has a tracer of its own, whose ``outer`` is this one."""

    def __init__(self, outer: "Tracer | None", captures: Captures) -> None:
        self.outer, self.captures = outer, captures
        self.inputs: dict[str, Schema] = {}
        self.nodes: dict[str, Node] = {}
        self.is_open = True
        self._plans: dict[Root, TypePlan] = {}

    def input(self, name: str, plan: TypePlan) -> Standin:
        """A new input of this graph."""
        self.inputs[name] = plan.schema
        return self._standin(("", name), plan)

    def output(self, node: str, port: str, plan: TypePlan) -> Standin:
        """An output port of a node of this graph."""
        return self._standin((node, port), plan)

    def _standin(self, root: Root, plan: TypePlan) -> Standin:
        self._plans[root] = plan
        return Standin(Facts(Ref(*root), plan, self))

    def claim(self, name: str, advice: str) -> str:
        """Take a node's name, which is used once in a graph."""
        if not self.is_open:
            raise TraceError(f"{name}: the trace that this belongs to has ended")
        if name in self.nodes:
            raise TraceError(f"this graph has a node {name!r} already, and names must be told apart: {advice}")
        if not name or set(name) & set("/[]#~"):
            raise TraceError(f"{name!r} is no name for a node: it has none of / [ ] # ~")
        return name

    def graph(self, outputs: dict[str, Input], types: dict[str, Schema], optional: dict[str, Any]) -> Graph:
        self.is_open = False
        return Graph(inputs=self.inputs, nodes=self.nodes, outputs=outputs, types=types, optional=optional)

    def operand(self, facts: Facts) -> Any:
        """What a stand-in stands for, as an expression of this graph. Values from around it become its inputs."""
        return self._moved(facts.expression, facts.owner)

    def condition(self, criterion: Criterion) -> Condition:
        return self._moved_condition(criterion.condition, criterion.owner)

    def strange(self, ref: Ref) -> str:
        """What to say where something of this graph is used in one that cannot see it."""
        return (
            f"{ref.node or ref.port!r} belongs to another body; give it back from that body, and use what the word "
            "around it gives"
        )

    def innermost(self, other: "Tracer") -> "Tracer":
        """Of two traces, one inside the other, the inner one."""
        return other if other.is_inside(self) else self

    def is_inside(self, other: "Tracer") -> bool:
        return self is other or (self.outer is not None and self.outer.is_inside(other))

    def _moved(self, expression: Operand, owner: "Tracer") -> Operand:  # noqa: C901  # one match over a union
        match expression:
            case Ref():
                return self._captured(expression, owner)
            case ListExpr(items=items):
                return ListExpr(tuple(self._moved(item, owner) for item in items))  # type: ignore[misc]
            case RecordExpr(fields=fields):
                return RecordExpr({name: self._moved(each, owner) for name, each in fields.items()})  # type: ignore[misc]
            case Size(of=of):
                return Size(self._moved(of, owner))  # type: ignore[arg-type]  # a size holds no size
            case Calc(op=op, left=left, right=right):
                return Calc(op, self._moved(left, owner), self._moved(right, owner))
            case StatusOf(of=of):
                if owner is not self:
                    raise TraceError(f"the status of {of!r} can only be asked for in the body that {of!r} is in")
                return expression
            case Constant():
                return expression

    def _captured(self, ref: Ref, owner: "Tracer") -> Ref:
        if owner is self:
            return ref
        if self.outer is None or not self.is_inside(owner):
            raise TraceError(owner.strange(ref))
        outer = self.outer._captured(ref, owner)  # noqa: SLF001  # another of its own kind
        root = (outer.node, outer.port)
        name = self.captures.name(root)
        self._plans[("", name)] = self.outer._plans[root]  # noqa: SLF001
        self.inputs[name] = self._plans[("", name)].schema
        return Ref("", name, outer.fields)

    def _moved_condition(self, condition: Condition, owner: "Tracer") -> Condition:  # noqa: C901  # one match over a union
        match condition:
            case Compare(op=op, left=left, right=right):
                return Compare(op, self._moved(left, owner), self._moved(right, owner))
            case IsTrue(of=of):
                return IsTrue(self._captured(of, owner))
            case Present(of=of):
                return Present(self._captured(of, owner))
            case Has(of=of):
                return Has(self._captured(of, owner))
            case Contains(item=item, within=within):
                return Contains(self._moved(item, owner), self._moved(within, owner))
            case Not(of=inner):
                return Not(self._moved_condition(inner, owner))
            case AllOf(of=parts):
                return AllOf(tuple(self._moved_condition(part, owner) for part in parts))
            case AnyOf(of=parts):
                return AnyOf(tuple(self._moved_condition(part, owner) for part in parts))
