"""What is other in one workflow than in another: states, transitions, nodes, inputs, types, options."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from tidemill.core.conditions import text_of
from tidemill.core.graph import ConstNode, End, Graph, MachineNode, MapNode, Node, State, Workflow
from tidemill.core.plan import bodies_of, join
from tidemill.graphs.words import (
    end_words,
    inputs_of,
    kind_of,
    node_words,
    transition_words,
    type_words,
)

Fact = tuple[str, bytes]  # in words, and all of it
_LEADS = "transition to "
_encode = msgspec.json.Encoder(order="sorted").encode
_OWN = {"inputs", "outputs", "body", "cases", "arms", "states", "over", "start", "param", "takes", "types", "type"}


class Change(Struct, frozen=True, omit_defaults=True):
    """``place``: a path in the graph, "" for the workflow. ``what`` is "" where the place itself came or went."""

    place: str
    change: str  # added, removed, changed
    what: str = ""
    old: str = ""
    new: str = ""

    @property
    def text(self) -> str:
        here = self.place or "the workflow"
        if not self.what:
            return f"{_SIGNS[self.change]} {here}  {self.new or self.old}"
        told = {"added": self.new, "removed": self.old, "changed": f"{self.old} → {self.new}"}[self.change]
        return f"{_SIGNS[self.change]} {here}  {self.what}: {told}"


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def changes(old: Workflow, new: Workflow) -> list[Change]:
    """Each difference, outermost first; what lies inside something that came or went is not told apart."""
    before, after = dict(_places(old)), dict(_places(new))
    found: list[Change] = []
    for place in [*before, *(place for place in after if place not in before)]:
        if place and _outer(place) not in before.keys() & after.keys():
            continue
        if place not in after:
            found.append(Change(place, "removed", old=before[place]["is"][0]))
        elif place not in before:
            found.append(Change(place, "added", new=after[place]["is"][0]))
        else:
            found += _differences(place, before[place], after[place])
    return found


def _outer(place: str) -> str:
    return place.rpartition("/")[0]


def _differences(place: str, old: Mapping[str, Fact], new: Mapping[str, Fact]) -> Iterator[Change]:
    for what in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(what), new.get(what)
        if before is None and after is not None:
            yield Change(place, "added", what, new=after[0])
        elif before is not None and after is None:
            yield Change(place, "removed", what, old=before[0])
        elif before is not None and after is not None and before[1] != after[1]:
            same = " (in its parts)" if before[0] == after[0] else ""
            yield Change(place, "changed", what, before[0], after[0] + same)
    before_order, after_order = _ways(old), _ways(new)
    if before_order != after_order and sorted(before_order) == sorted(after_order):
        yield Change(place, "changed", "order of transitions", ", ".join(before_order), ", ".join(after_order))


def _ways(facts: Mapping[str, Fact]) -> list[str]:
    return [name.removeprefix(_LEADS) for name in facts if name.startswith(_LEADS)]


# Facts ---------------------------------------------------------------------------------------------


def _places(workflow: Workflow) -> Iterator[tuple[str, dict[str, Fact]]]:
    """Each state, node and arm with what is to be said of it."""
    yield "", {**_fact("name", workflow.name), **_fact("starts in", workflow.start), **_of_shape(workflow.shape)}
    if workflow.is_machine:
        yield from _of_states(workflow.states, "")
    else:
        yield from _of_graph(workflow.body, "")
    if workflow.final is not None:
        final = workflow.final
        takes = {f"input {name}": _term(each) for name, each in final.inputs.items()}
        yield "~finally", {**_fact("is", "finally"), **takes}
        yield from _of_graph(final.body, "~finally")


def _fact(name: str, words: str, whole: object = None) -> dict[str, Fact]:
    return {name: (words, _encode(words if whole is None else whole))}


def _term(expression: object) -> Fact:
    return text_of(expression), _encode(expression)  # type: ignore[arg-type]  # each is an Input


def _of_shape(graph: Graph) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for name, schema in graph.inputs.items():
        default = f" = {graph.optional[name]!r}" if name in graph.optional else ""
        facts[f"input {name}"] = type_words(schema) + default, _encode([schema, graph.optional.get(name)])
    for port, schema in graph.types.items():
        facts[f"type of {port}"] = type_words(schema), _encode(schema)
    return facts


def _of_states(states: Mapping[str, State], place: str) -> Iterator[tuple[str, dict[str, Fact]]]:
    for name, state in states.items():
        here = join(place, name)
        facts = {**_fact("is", "state"), **{f"input {param}": _term(each) for param, each in state.inputs.items()}}
        for each in state.transitions:
            target = f"end “{end_words(each.to)}”" if isinstance(each.to, End) else each.to
            key = f"{_LEADS}{target}"
            while key in facts:
                key += ", too"
            facts |= _fact(key, transition_words(each), each)
        facts |= {f"type of {port}": (type_words(each), _encode(each)) for port, each in state.body.types.items()}
        yield here, facts
        yield from _of_graph(state.body, here)


def _of_graph(graph: Graph, place: str) -> Iterator[tuple[str, dict[str, Fact]]]:
    for name, node in graph.nodes.items():
        here = join(place, name)
        yield here, _of_node(node)
        if isinstance(node, MachineNode):
            yield from _of_states(node.states, here)
            continue
        for arm, body in bodies_of(node):
            if arm:
                yield join(here, arm), {**_fact("is", "arm"), **_when(node, arm), **_gives(body)}
            yield from _of_graph(body, join(here, arm) if arm else here)


def _when(node: Node, arm: str) -> dict[str, Fact]:
    for case in getattr(node, "cases", ()):
        if case.name == arm and case.when is not None:
            return _fact("when", text_of(case.when), case.when)
    return {}


def _gives(body: Graph) -> dict[str, Fact]:
    return {f"gives {port}": _term(each) for port, each in body.outputs.items()}


def _of_node(node: Node) -> dict[str, Fact]:
    facts = _fact("is", f"{kind_of(node)} {node_words(node)}".strip(), kind_of(node))
    if isinstance(node, ConstNode):
        return {**facts, **_fact("value", node_words(node), node.value), **_types({"value": node.type})}
    facts |= {f"input {name}": _term(each) for name, each in inputs_of(node).items()}
    own = getattr(node, "outputs", None) or getattr(node, "types", None) or {}
    facts |= _types({"value": node.type} if hasattr(node, "type") else own)
    for _, body in bodies_of(node) if isinstance(node, MapNode) or hasattr(node, "body") else ():
        facts |= _gives(body)
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if name not in _OWN and value not in ((), None, ""):
            facts |= _options(name, value)
    return facts


def _types(types: Mapping[str, object]) -> dict[str, Fact]:
    return {f"type of {port}": (type_words(each), _encode(each)) for port, each in types.items()}  # type: ignore[arg-type]


def _options(name: str, value: object) -> dict[str, Fact]:
    """Options one by one; another field as it is in the document."""
    if name == "until":
        return _fact(name, text_of(value), value)  # type: ignore[arg-type]  # only a loop has it
    if name != "options":
        return _fact(name, _short(value), value)
    said = msgspec.to_builtins(value)
    return {each: (_short(part), _encode(part)) for each, part in said.items()}


def _short(value: object) -> str:
    text = value if isinstance(value, str) else _encode(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"
