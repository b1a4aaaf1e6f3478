"""Conditions, field paths and where paths lead."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.graphs import TASKS, Maker
from tests.core.history import History
from tests.core.scene import Scene, graph, task, workflow
from tidemill.core.chunks import NoSuchFieldError, pick
from tidemill.core.conditions import ConditionError, holds, text_of
from tidemill.core.graph import BranchNode, CallNode, Case, MapNode
from tidemill.core.plan import Layout, NoSuchPathError
from tidemill.core.run import Code, StepFailed
from tidemill.core.terms import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Condition,
    Constant,
    IsTrue,
    ListExpr,
    Not,
    Present,
    RecordExpr,
    Ref,
    Size,
)

X, Y = Ref(port="x"), Ref(node="n", port="out", fields=("a", 0))
LESS = Compare(Comparison.LESS, X, Constant(5))


def look(values: dict[str, Any]) -> Any:
    return lambda operand: operand.value if isinstance(operand, Constant) else values[operand.port]


@pytest.mark.parametrize("op", Comparison)
@given(left=st.integers(), right=st.integers())
def test_a_comparison_is_what_python_says(op: Comparison, left: int, right: int) -> None:
    expected = eval(f"{left} {op.value} {right}")  # two numbers and an operator of ours
    assert holds(Compare(op, X, Constant(right)), look({"x": left})) is expected


CASES: list[tuple[Condition, dict[str, Any], bool]] = [
    (IsTrue(X), {"x": True}, True),
    (IsTrue(X), {"x": False}, False),
    (Present(X), {"x": None}, False),
    (Present(X), {"x": 0}, True),
    (Not(LESS), {"x": 7}, True),
    (AllOf(()), {}, True),
    (AnyOf(()), {}, False),
    (AllOf((LESS, IsTrue(Y))), {"x": 9}, False),
    (AnyOf((LESS, IsTrue(Y))), {"x": 1}, True),
]


@pytest.mark.parametrize(
    ("condition", "values", "expected"), CASES, ids=[text_of(case[0]) or "empty" for case in CASES]
)
def test_conditions_stop_at_the_first_part_that_decides(
    condition: Condition,
    values: dict[str, Any],
    expected: bool,  # a table
) -> None:
    assert holds(condition, look(values)) is expected


@pytest.mark.parametrize(
    ("condition", "value", "text"),
    [
        (LESS, "text", "`x < 5` cannot be judged: str and int do not compare"),
        (LESS, None, "`x < 5` cannot be judged: NoneType and int do not compare"),
        (IsTrue(X), 1, "`x` cannot be judged: x is no bool"),
    ],
)
def test_what_cannot_be_judged_says_so_with_the_condition(condition: Condition, value: Any, text: str) -> None:
    with pytest.raises(ConditionError) as error:
        holds(condition, look({"x": value}))
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Y, "n.out.a[0]"),
        (Ref(node="n"), "n"),
        (Compare(Comparison.AT_LEAST, Size(X), Constant(2)), "size(x) >= 2"),
        (Not(Present(X)), "not (x is present)"),
        (AllOf((LESS, IsTrue(X))), "(x < 5) and (x)"),
        (AnyOf((LESS, IsTrue(X))), "(x < 5) or (x)"),
        (Compare(Comparison.EQUAL, ListExpr((X,)), RecordExpr({"a": X})), "[x] == {a: x}"),
    ],
)
def test_a_condition_reads_as_a_person_would_write_it(condition: Any, text: str) -> None:
    assert text_of(condition) == text


# In a run ------------------------------------------------------------------------------------------


def branching(when: Condition) -> Scene:
    arm = graph({"in": task()}, Ref(node="in"))
    branch = BranchNode((Case("then", when, arm), Case("else", None, arm)))
    scene = Scene(workflow(graph({"a": task(), "if": branch}, Ref(node="if"), "x")))
    scene.submit(x=1)
    scene.claim()
    return scene


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"b": 1}, "there is no 'kind' here"),
        ([1], "there is no 'kind' here"),
        ("kind", "there is no 'kind' here"),
        (None, "there is no 'kind' here"),
        ({"kind": {}}, "dict and int do not compare"),
    ],
)
def test_a_branch_that_cannot_be_judged_fails_with_the_condition_shown(value: object, reason: str) -> None:
    scene = branching(Compare(Comparison.LESS, Ref(node="a", fields=("kind",)), Constant(5)))
    scene.succeed("a", value=value)
    state = scene.state("if")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.INVALID_INPUT
    assert state.failure.message == f"the condition `a.kind < 5` cannot be judged: {reason}"


def test_the_first_arm_that_holds_is_taken_and_no_other_is_looked_at() -> None:
    scene = branching(Compare(Comparison.LESS, Ref(node="a"), Constant(5)))
    scene.succeed("a", value=3)
    assert scene.queued() == ["if/then/in"]


# Field paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "fields", "found"),
    [
        (5, (), 5),
        ({"a": [1, {"b": 2}]}, ("a", 1, "b"), 2),
        ([1, 2, 3], (-1,), 3),
        ({"a": None}, ("a",), None),
    ],
)
def test_a_field_path_leads_to_a_part(value: object, fields: tuple[str | int, ...], found: object) -> None:
    assert pick(value, fields) == found


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (None, ("a",)),
        ({}, ("a",)),
        ([], (0,)),
        ([1], ("a",)),
        ("text", (0,)),
        (b"bytes", (0,)),
        (5, (0,)),
        ({"a": 1}, ("a", "b")),
    ],
)
def test_a_field_path_that_leads_nowhere_says_where_it_ended(value: object, fields: tuple[str | int, ...]) -> None:
    with pytest.raises(NoSuchFieldError, match=f"there is no {fields[-1]!r} here"):
        pick(value, fields)


# Paths ---------------------------------------------------------------------------------------------

LEAF = graph({"leaf": task()}, Ref(node="leaf"), "x")
ARMS = graph({"if": BranchNode((Case("then", None, LEAF),), {"x": X})}, Ref(node="if"), "x")
NESTED = Layout(
    workflow(
        graph(
            {"all": MapNode({"x": X}, graph({"c": CallNode("w", {"x": X}, ARMS)}, Ref(node="c"), "x"))},
            Ref(node="all"),
            "x",
        )
    )
)


def test_a_path_leads_through_maps_calls_and_arms() -> None:
    place, name, node = NESTED.node("all[17]/c/if/then/leaf")
    assert (name, node, place.arm, place.step) == ("leaf", LEAF.nodes["leaf"], "then", "all[17]/c/if")
    assert (place.outer, NESTED.scope("all[17]").index, NESTED.scope("all[17]").step) == ("all[17]/c", 17, "all")


@pytest.mark.parametrize(
    "path",
    [
        "nope",
        "all[1]/nope",
        "all/c",
        "all[x]/c",
        "all[1]/c/if/else/leaf",
        "all[1]/c/if/leaf",
        "all[1]/c/if/then/leaf/x",
        "//",
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(NoSuchPathError):
        NESTED.node(path)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_each_path_of_a_run_leads_to_its_node(seed: int) -> None:
    chance = Random(seed)
    made = Maker(chance).workflow()
    history = History(made, {"n": 7, "xs": [3, 1]}, chance)
    history.play(hostile=False, cancel=False)
    layout = Layout(made)
    for _, path in history.tables.steps:
        _, name, node = layout.node(path)
        assert path.rpartition("/")[2] == name
        assert getattr(node, "task", "t.add") in TASKS
    for _, path in history.tables.scopes:
        if not path or path.endswith("]"):
            layout.scope(path)
