"""Random workflows over three types: a number, a list of numbers, a record of both."""

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec.structs import replace

from tests.core.reference import NodeFailedError
from tidemill.core.graph import (
    FORMAT,
    Arm,
    BranchNode,
    CallNode,
    Case,
    ConstNode,
    Default,
    ElementFailure,
    Final,
    Graph,
    JoinNode,
    LoopNode,
    MapNode,
    Node,
    Rest,
    Skip,
    State,
    TaskNode,
    Undo,
    Workflow,
)
from tidemill.core.terms import (
    Compare,
    Comparison,
    Condition,
    Constant,
    Input,
    ListExpr,
    Not,
    RecordExpr,
    Ref,
    Size,
    StatusOf,
)

NUMBER = {"type": "integer"}
LIST = {"type": "array", "items": NUMBER}
RECORD = {"type": "object", "properties": {"n": NUMBER, "xs": LIST}, "required": ["n", "xs"]}
PLAIN = {"number": 5, "list": [5], "record": {"n": 5, "xs": [5]}}
TYPES = {"number": NUMBER, "list": LIST, "record": RECORD}


def _fragile(x: int) -> int:
    if _n(x) % 3 == 0:
        raise NodeFailedError
    return _n(x) + 1


def _n(x: Any) -> int:
    """A number, where a failure that was collected may stand."""
    return x if isinstance(x, int) else 0


TASKS: dict[str, Callable[..., Any]] = {
    "t.add": lambda a, b: (_n(a) + _n(b)) % 1000,
    "t.spread": lambda n: [(_n(n) + each) % 97 for each in range(_n(n) % 5)],
    "t.total": lambda xs: sum(x for x in xs if isinstance(x, int)) % 1000,
    "t.pair": lambda n, xs: {"n": n, "xs": xs},
    "t.weigh": lambda r: (_n(r["n"]) + len(r["xs"])) % 1000,
    "t.fragile": _fragile,
    "t.undo": lambda x: 0,
}
SHAPES = {
    "t.add": ({"a": "number", "b": "number"}, "number"),
    "t.spread": ({"n": "number"}, "list"),
    "t.total": ({"xs": "list"}, "number"),
    "t.pair": ({"n": "number", "xs": "list"}, "record"),
    "t.weigh": ({"r": "record"}, "number"),
    "t.fragile": ({"x": "number"}, "number"),
}


def _gives_lists(node: Node) -> bool:
    return isinstance(node, MapNode) or (isinstance(node, JoinNode) and not node.single)


class Maker:
    """Makes one workflow from one source of chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.left = 14  # nodes in all, so that runs stay small

    def workflow(self) -> Workflow:
        body = self.graph({"n": "number", "xs": "list"}, depth=3)
        final = self._final() if self.chance.random() < 0.3 else None
        return Workflow(format=FORMAT, name="random", start="", states={"": State(body)}, final=final)

    def _final(self) -> Final:
        """Some tasks that run at the end, none of which fails."""
        nodes: dict[str, Node] = {
            f"n{number}": TaskNode("t.undo", {"x": Ref(port="n")}, {"value": NUMBER})
            for number in range(self.chance.randint(1, 3))
        }
        return Final(Graph({"n": NUMBER}, nodes, {}, {}), {"n": Ref(port="n")})

    def graph(self, inputs: dict[str, str], depth: int, wanted: str = "") -> Graph:
        known: list[tuple[Input, str]] = [(Ref(port=name), kind) for name, kind in inputs.items()]
        nodes: dict[str, Node] = {}
        for number in range(self.chance.randint(1, 4)):
            if self.left <= 0:
                break
            self.left -= 1
            name = f"n{number}"
            node, kind = self._node(known, depth)
            nodes[name] = self._rescued(node, kind, [each for each in nodes if self.chance.random() < 0.1])
            known.append((Ref(node=name), kind))
            if isinstance(node, (CallNode, BranchNode, JoinNode, LoopNode, MapNode)):
                known.append((Ref(node=name, port="extra"), "list" if _gives_lists(node) else "number"))
        kind = wanted or self.chance.choice(sorted(TYPES))
        output = self._pick(known, kind)
        return Graph(
            inputs={name: TYPES[each] for name, each in inputs.items()},
            nodes=nodes,
            outputs={"value": output, "extra": self._pick(known, "number")},
            types={"value": TYPES[kind], "extra": NUMBER},
        )

    def _node(self, known: list[tuple[Input, str]], depth: int) -> tuple[Node, str]:
        kinds = (
            ["task"] * 5
            + ["const"]
            + (["map"] * 3 + ["branch"] * 2 + ["loop"] * 2 + ["join"] * 2 + ["call"] if depth else [])
        )
        match self.chance.choice(kinds):
            case "task":
                return self._task(known)
            case "const":
                return ConstNode(self.chance.randint(0, 9), NUMBER), "number"
            case "map":
                return self._map(known, depth - 1)
            case "branch":
                return self._branch(known, depth - 1)
            case "join":
                return self._join(known, depth - 1)
            case "loop":
                return self._loop(known, depth - 1)
            case _:
                kind = self.chance.choice(sorted(TYPES))
                inner = self.graph({"p": "number", "q": "list"}, depth - 1, kind)
                given = {"p": self._pick(known, "number"), "q": self._pick(known, "list")}
                return CallNode("inner", given, inner), kind

    def _rescued(self, node: Node, kind: str, after: list[str]) -> Node:
        """Now and then it may fail, or waits for what it does not use."""
        if isinstance(node, ConstNode):
            return node
        value: Any = PLAIN[kind]
        if not isinstance(node, TaskNode):
            value = {"value": value, "extra": PLAIN["list" if _gives_lists(node) else "number"]}
        rescue = self.chance.choice([*[None] * 6, Skip(), Default(value)])
        return replace(node, rescue=rescue, after=tuple(after))

    def _task(self, known: list[tuple[Input, str]]) -> tuple[Node, str]:
        name = self.chance.choice(sorted(SHAPES))
        takes, gives = SHAPES[name]
        inputs = {port: self._pick(known, kind) for port, kind in takes.items()}
        node = TaskNode(task=name, inputs=inputs, outputs={"value": TYPES[gives]})
        if self.chance.random() < 0.15:
            node = replace(node, undo=Undo("t.undo", "x", outputs={"value": NUMBER}))
        return node, gives

    def _map(self, known: list[tuple[Input, str]], depth: int) -> tuple[Node, str]:
        first = self._pick(known, "list")
        over = {"e": first}
        if self.chance.random() < 0.3:  # of one length, most of the time
            over["f"] = first if self.chance.random() < 0.8 else self._pick(known, "list")
        body = self.graph({**dict.fromkeys(over, "number"), "c": "list"}, depth, "number")
        node = MapNode(
            over=over,
            body=body,
            inputs={"c": self._pick(known, "list")},
            window=self.chance.randint(1, 4),
            on_failure=self.chance.choice(list(ElementFailure)),
        )
        return node, "list"

    def _branch(self, known: list[tuple[Input, str]], depth: int) -> tuple[Node, str]:
        kind = self.chance.choice(sorted(TYPES))
        cases = (
            Case("then", self._condition(known), self.graph({"p": "number", "q": "list"}, depth, kind)),
            Case("otherwise", None, self.graph({"p": "number", "q": "list"}, depth, kind)),
        )
        return BranchNode(cases, {"p": self._pick(known, "number"), "q": self._pick(known, "list")}), kind

    def _join(self, known: list[tuple[Input, str]], depth: int) -> tuple[Node, str]:
        """Arms that give the same, whichever comes first, and now and then one that fails."""
        body = self.graph({"p": "number", "q": "list"}, depth, "number")
        bad = TaskNode("t.fragile", {"x": Constant(0)}, {"value": NUMBER})
        broken = replace(body, nodes={"bad": bad}, outputs={"value": Ref(node="bad"), "extra": Constant(1)})
        bodies = [body] * self.chance.randint(1, 3) + [broken] * self.chance.choice([0, 0, 1, 2])
        self.chance.shuffle(bodies)
        arms = tuple(Arm(f"a{number}", each) for number, each in enumerate(bodies))
        need = self.chance.randint(1, len(arms))
        single, rest = need == 1 and self.chance.random() < 0.5, self.chance.choice(list(Rest))
        given = {"p": self._pick(known, "number"), "q": self._pick(known, "list")}
        return JoinNode(arms, need, rest, single, given), "number" if single else "list"

    def _loop(self, known: list[tuple[Input, str]], depth: int) -> tuple[Node, str]:
        """Of numbers: one that ends in most cases, at the latest at its limit."""
        body = self.graph({"p": "number", "q": "list"}, depth, "number")
        until = Compare(
            self.chance.choice(list(Comparison)), body.outputs["value"], Constant(self.chance.randint(0, 9))
        )
        given = {"q": self._pick(known, "list")}
        return LoopNode("p", self._pick(known, "number"), body, until, self.chance.randint(1, 4), given), "number"

    def _condition(self, known: list[tuple[Input, str]]) -> Condition:
        left = self._pick(known, "number")
        nodes = [each.node for each, _ in known if isinstance(each, Ref) and each.node]
        if nodes and self.chance.random() < 0.2:
            status = StatusOf(self.chance.choice(nodes))
            return Compare(Comparison.EQUAL, status, Constant(self.chance.choice(["success", "failure", "skipped"])))
        if self.chance.random() < 0.3:
            compared = Compare(Comparison.MORE, Size(self._pick(known, "list")), Constant(self.chance.randint(0, 3)))
            return Not(compared) if self.chance.random() < 0.5 else compared
        return Compare(self.chance.choice(list(Comparison)), left, Constant(self.chance.randint(0, 50)))

    def _pick(self, known: list[tuple[Input, str]], kind: str) -> Input:
        fitting = [each for each, of in known if of == kind]
        records = [each for each, of in known if of == "record" and isinstance(each, Ref)]
        if records and kind != "record" and self.chance.random() < 0.3:
            record = self.chance.choice(records)
            return Ref(record.node, record.port, (*record.fields, "n" if kind == "number" else "xs"))
        if fitting and self.chance.random() < 0.85:
            return self.chance.choice(fitting)
        match kind:
            case "number":
                return Constant(self.chance.randint(0, 20))
            case "list" if self.chance.random() < 0.4:
                return Constant([self.chance.randint(0, 20) for _ in range(self.chance.randint(0, 4))])
            case "list":
                numbers = [self._pick(known, "number") for _ in range(self.chance.randint(0, 3))]
                return ListExpr(tuple(numbers))
            case _:
                return RecordExpr({"n": self._pick(known, "number"), "xs": self._pick(known, "list")})
