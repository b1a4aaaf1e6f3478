"""Random machines of states, at the top of a workflow and inside graphs, with graphs of `Maker` as their bodies."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from tests.core.graphs import NUMBER, TYPES, Maker
from tidemill.core.graph import FORMAT, End, Ending, Graph, MachineNode, Node, State, Transition, Workflow
from tidemill.core.machine_paths import FAILURE, always_done
from tidemill.core.terms import Compare, Comparison, Condition, Constant, Input, Ref, StatusOf

PERHAPS = {"anyOf": [NUMBER, {"type": "null"}]}
EMPTY = Graph(inputs={}, nodes={}, outputs={}, types={})
Known = list[tuple[Input, str]]
Seen = Callable[[set[str]], Known]


class StateMaker(Maker):
    """Makes workflows of states, in whose bodies machines stand too."""

    def workflow(self) -> Workflow:
        self.left = 20
        start, states, types = self.machine({"n": "number", "xs": "list"}, 2, self.chance.choice(sorted(TYPES)))
        takes = {"n": TYPES["number"], "xs": TYPES["list"]}
        return Workflow(FORMAT, "random", start, states, takes, types)

    def _node(self, known: Known, depth: int) -> tuple[Node, str]:
        if not depth or self.chance.random() > 0.12:
            return super()._node(known, depth)
        kind = self.chance.choice(sorted(TYPES))
        start, states, types = self.machine({"p": "number", "q": "list"}, depth - 1, kind)
        given = {"p": self._pick(known, "number"), "q": self._pick(known, "list")}
        takes = {"p": TYPES["number"], "q": TYPES["list"]}
        return MachineNode("inner", given, start, states, takes, types), kind

    def machine(self, inputs: dict[str, str], depth: int, kind: str) -> tuple[str, dict[str, State], dict[str, object]]:
        """A start, states, and the types of what the ends give."""
        names = [f"s{number}" for number in range(self.chance.randint(1, 4))]
        kinds = {name: self.chance.choice(sorted(TYPES)) for name in names}
        ways = {name: State(EMPTY, {}, self._ways(names, at)) for at, name in enumerate(names)}
        done = always_done(ways, names[0])
        given: Known = [(Ref(port=port), of) for port, of in inputs.items()]

        def seen(sure: set[str]) -> Known:
            values = [(Ref(name), kinds[name]) for name in sorted(sure)]
            return [*given, *values, *((Ref(name, "extra"), "number") for name in sorted(sure))]

        states: dict[str, State] = {}
        for name, way in ways.items():
            before = seen(done[name] - {name})
            takes = {"p": self._pick(before, "number"), "q": self._pick(before, "list")}
            body = self.graph({"p": "number", "q": "list"}, depth, kinds[name])
            filled = (self._filled(each, seen, done[name], name, kind) for each in way.transitions)
            states[name] = State(body, takes, tuple(filled))
        return names[0], states, {"value": TYPES[kind], "extra": PERHAPS}

    def _ways(self, names: list[str], at: int) -> tuple[Transition, ...]:
        """From one state: now and then back, always on to the next one or to an end; the conditions come later."""
        ways = [
            Transition(self.chance.choice(names), *self._occasion(), max_visits=self.chance.randint(1, 3))
            for _ in range(self.chance.choice([0, 0, 1, 2]))
        ]
        if self.chance.random() < 0.4:
            outcome = self.chance.choice([Ending.SUCCESS, Ending.SUCCESS, Ending.FAILURE])
            ways.append(Transition(End(outcome, self.chance.choice(["", "odd"])), *self._occasion()))
        if at + 1 < len(names):
            ways.append(Transition(names[at + 1], *(self._occasion() if self.chance.random() < 0.3 else ())))
        if at + 1 == len(names) or ways[-1].status or ways[-1].when:
            ways.append(Transition(End(Ending.SUCCESS, self.chance.choice(["", "fine"]))))
        return tuple(ways)

    def _occasion(self) -> tuple[str, Condition | None]:
        """A status; or a condition, which `_filled` puts in the place of this one."""
        status = self.chance.choice(["", "", FAILURE, "success"])
        return status, None if status else Compare(Comparison.EQUAL, Constant(0), Constant(0))

    def _filled(self, way: Transition, seen: Seen, sure: set[str], name: str, kind: str) -> Transition:
        known = seen(sure if way.status == FAILURE else sure | {name})
        if way.when is not None:
            way = replace(way, when=self._judgement(known, name))
        if isinstance(way.to, End):
            outputs: Mapping[str, Input] = {"value": self._pick(known, kind), "extra": self._perhaps(known, name)}
            way = replace(way, to=replace(way.to, outputs=outputs))
        return way

    def _perhaps(self, known: Known, name: str) -> Input:
        """A number, or one of a state that may not have been visited."""
        return Ref(name, "extra") if self.chance.random() < 0.3 else self._pick(known, "number")

    def _judgement(self, known: Known, name: str) -> Condition:
        if self.chance.random() < 0.2:
            status = self.chance.choice(["success", "failure"])
            return Compare(Comparison.EQUAL, StatusOf(name), Constant(status))
        return self._condition([each for each in known if not isinstance(each[0], Ref) or not each[0].node] + known)
