"""Whether types fit, graphs hold together, and an input is what a task takes."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import Failure, File, Worker, map_over, workflow
from tidemill.core.build import check
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.fit import describe, fits, view_of
from tidemill.core.graph import FORMAT, CallNode, Graph, State, TaskNode, Workflow
from tidemill.core.normalise import normalise
from tidemill.core.terms import Constant, ListExpr, RecordExpr, Ref
from tidemill.sdk.plans import plan_of


@dataclass
class Draft:
    topic: str
    pages: int = 1


@dataclass
class Other:
    topic: int


@dataclass
class Tree:
    twigs: "list[Tree]"
    leaf: int | None = None


class Box(NamedTuple):
    left: int
    name: str


FITTING = [
    (int, int),
    (int, float),
    (Draft, Draft),
    (Draft, Draft | None),
    (list[Draft], list[Draft | Failure]),
    (Tree, Tree),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Any, int),
    (int, Any),
    (date, str),
    (Draft, dict[str, Any]),
    (Draft, dict),
    (Box, tuple[int, str]),
    (list[int], set[int]),
    (File, File),
    (tuple[int, int], list[int]),
    (list[int], list[int] | None),
    (bool, bool),
    (list, list[int]),
    (bool | int, int | bool),
    (bytes, bytes),
]
UNFIT = [
    (float, int, ""), (str, int, ""), (Draft, Other, ".topic"), (Draft | None, Draft, ""), (str, Literal["a"], ""),
    (list[Draft | Failure], list[Draft], "[…].topic"), (str, UUID, ""), (Literal["a", "c"], Literal["a", "b"], ""),
    (bytes, str, ""), (dict[str, int], Draft, ".topic"), (list[int], tuple[int, int], ""), (int | str, int, ""),
    (dict[str, int], dict[str, str], "[…]"), (File, str, ""), (bool, int, ""), (int, bool, ""), (Literal[1], str, ""),
    (Box, tuple[int, int], "[1]"), (list[Tree], list[Draft], "[…].topic"), (tuple[int, int, int], tuple[int, int], ""),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "wanted"), FITTING)
def test_types_that_can_fit_do(given_: Any, wanted: Any) -> None:
    assert fits(plan_of(given_).schema, plan_of(wanted).schema) is None


@pytest.mark.parametrize(("given_", "wanted", "path"), UNFIT)
def test_a_misfit_shows_both_types_and_the_place(given_: Any, wanted: Any, path: str) -> None:
    misfit = fits(plan_of(given_).schema, plan_of(wanted).schema)
    assert misfit is not None
    assert misfit.path == path
    assert misfit.text.startswith(f"{plan_of(given_).name} does not fit {plan_of(wanted).name}")


KINDS = [kind for pair in FITTING for kind in pair] + [kind for *pair, _ in UNFIT for kind in pair]


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_fitting_is_reflexive_and_a_wider_wish_is_met(one: Any, two: Any, three: Any) -> None:
    schema = plan_of(one).schema
    assert fits(schema, schema) is None
    assert fits(schema, {}) is None
    if get_args(one | two) and fits(schema, plan_of(two).schema) is None:  # type: ignore[operator]
        assert fits(schema, plan_of(two | three).schema) is None  # type: ignore[operator]


@pytest.mark.parametrize(
    "kind",
    [int, list[Draft], Draft | None, dict[str, float], Box, tuple[int, str], set[UUID], bytes, Literal["a", "b"], File],
)
def test_a_schema_reads_as_the_type_that_it_came_from(kind: Any) -> None:
    assert describe(view_of(plan_of(kind).schema)) == plan_of(kind).name


# Graphs --------------------------------------------------------------------------------------------

INT, TEXT, NUMBERS = {"type": "integer"}, {"type": "string"}, {"type": "array", "items": {"type": "integer"}}
TAKES = {"type": "object", "properties": {"a": INT, "b": NUMBERS}, "required": ["a"]}


def task(**inputs: Any) -> TaskNode:
    return TaskNode("w.t", inputs, {"value": INT}, takes=TAKES)


def problems(nodes: dict[str, Any], output: Any = Constant(1), **known: TaskDefinition) -> list[str]:  # noqa: B008
    body = Graph(inputs={"x": INT, "s": TEXT}, nodes=nodes, outputs={"value": output}, types={"value": INT})
    found = check(Workflow(FORMAT, "w", "", {"": State(body)}), {each.name: each for each in known.values()})
    return [problem.text for problem in found]


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ({"t": task(a=Ref(port="x"))}, None),
        ({"t": task(a=Ref(port="x"), b=ListExpr((Constant(1), Ref(port="x"))))}, None),
        ({"t": task(a=Ref(port="y"))}, "t: there is no input 'y'"),
        ({"t": task(a=Ref("u"))}, "t: there is no node 'u'"),
        ({"t": task(a=Ref("u", "o")), "u": task(a=Constant(1))}, "t: node 'u' has no output 'o'"),
        ({"t": task()}, "t: the input 'a' is missing"),
        ({"t": task(a=Constant(1), c=Constant(2))}, "t: it takes no input 'c'; it takes a, b"),
        ({"t": task(a=Ref(port="s"))}, "t: a: str does not fit int"),
        ({"t": task(a=Constant("x"))}, "t: a: Literal['x'] does not fit int"),
        ({"t": task(a=RecordExpr({"k": Constant(1)}))}, "t: a: a record does not fit int"),
        ({"t": task(a=Constant(1), b=ListExpr((Ref(port="s"),)))}, "t: b: str does not fit int"),
        ({"t": task(a=Constant(1), b=Ref(port="x", fields=("k",)))}, "t: b: int has no 'k'"),
        ({"t": task(a=Ref("u")), "u": task(a=Ref("t"))}, "these nodes wait for each other: t -> u -> t"),
    ],
)
def test_what_does_not_hold_together_is_named(nodes: dict[str, Any], text: str | None) -> None:
    assert problems(nodes) == ([] if text is None else [text])


def test_problems_inside_a_body_name_the_way_to_it() -> None:
    inner = Graph(
        inputs={"n": INT}, nodes={"t": task(a=Ref(port="m"))}, outputs={"value": Ref("t")}, types={"value": INT}
    )
    assert problems({"call": CallNode("c", {"n": Ref(port="x")}, inner)}) == ["call/t: there is no input 'm'"]
    assert problems({}, Ref(port="s")) == ["output value: str does not fit int"]


def test_a_task_that_has_changed_since_is_found_at_publish() -> None:
    now = TaskDefinition("w.t", {**TAKES, "required": ["a", "b"]}, {"value": TEXT}, digest="2")
    found = problems({"t": task(a=Ref(port="x"))}, t=now)
    assert found == [
        "t: the input 'b' is missing",
        "t: w.t was traced with another result: str does not fit int",
    ]
    gone = TaskDefinition("w.t", TAKES, {"left": INT}, digest="2")
    assert problems({"t": task(a=Ref(port="x"))}, t=gone) == ["t: w.t gives no 'value'; it gives left"]


def test_what_the_sdk_traces_holds_together() -> None:
    media = Worker("media")

    @media.task
    def grow(draft: Draft, by: float = 1) -> Draft:
        return draft

    @workflow
    def flow(drafts: list[Draft]) -> list[Draft]:
        return map_over(lambda draft: grow(draft, by=draft.pages), drafts)

    definitions = {each.name: each for each in media.definitions()}
    assert check(flow.compiled.workflow, definitions) == []
    changed = msgspec.structs.replace(definitions["media.grow"], inputs={"type": "object", "properties": {}})
    texts = [each.text for each in check(flow.compiled.workflow, {"media.grow": changed})]
    assert [re.sub(r"it takes no input '(\w+)'.*", r"\1", text) for text in texts] == [
        "map/grow: draft",
        "map/grow: by",
    ]


# Inputs --------------------------------------------------------------------------------------------

worker = Worker("w")


@worker.task
def record(draft: Draft) -> int:
    return draft.pages


@worker.task
def two(draft: Draft, width: int = 1) -> int:
    return width


@worker.task
def none() -> int:
    return 1


@pytest.mark.parametrize("body", [{"draft": {"topic": "a"}}, {"topic": "a"}])
def test_one_record_may_come_bare(body: Any) -> None:
    inputs = normalise(record.definition, body).inputs
    assert inputs == {"draft": {"topic": "a"}}
    jsonschema_rs.validate(record.definition.inputs, inputs)


def test_an_unknown_key_is_told_with_the_nearest_name() -> None:
    found = normalise(two.definition, {"draft": {}, "widht": 3, "q": 1})
    assert found.inputs == {"draft": {}}
    assert found.violations == (("$.widht", "unknown input; did you mean 'width'?"), ("$.q", "unknown input"))
    lenient = msgspec.structs.replace(two.definition, options=TaskOptions(ignore_unknown=True))
    assert normalise(lenient, {"draft": {}, "q": 1}).violations == ()


def test_what_is_no_object_is_refused() -> None:
    assert normalise(two.definition, [1]).violations == (
        ("$", "expected an object with the keys draft, width, not a list"),
    )
    assert normalise(none.definition, None).inputs == {}
    assert normalise(none.definition, "x").violations == (("$", "expected an object with no keys, not a text"),)
    assert normalise(record.definition, {}).inputs == {"draft": {}}
