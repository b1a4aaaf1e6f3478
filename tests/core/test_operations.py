"""Operations: what each gives, what it refuses, and that the engine does them by itself."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import RUN, Scene, graph, inline, task, workflow
from tidemill.core.build import check
from tidemill.core.commands import FetchOperands
from tidemill.core.events import OperandsFetched
from tidemill.core.graph import Graph, MapNode, OpNode
from tidemill.core.operations import FAULTS, LONGEST, OPERATIONS, apply
from tidemill.core.run import Code, Ended, Failed, Failure, StepFailed, StepSucceeded, Succeeded
from tidemill.core.terms import Constant, Input, Ref
from tidemill.core.values import Blob

NUMBER = {"type": "number"}

RESULTS: list[tuple[str, dict[str, Any], Any]] = [
    ("add", {"a": 1, "b": 2.5}, 3.5),
    ("subtract", {"a": 1, "b": 3}, -2),
    ("multiply", {"a": 4, "b": 3}, 12),
    ("divide", {"a": 3, "b": 2}, 1.5),
    ("floor_divide", {"a": -3, "b": 2}, -2),
    ("modulo", {"a": 7, "b": 4}, 3),
    ("negate", {"a": 7}, -7),
    ("absolute", {"a": -7}, 7),
    ("rounded", {"a": 2.345, "digits": 1}, 2.3),
    ("equal", {"a": [1], "b": [1]}, True),
    ("unequal", {"a": "x", "b": "y"}, True),
    ("less", {"a": 1, "b": 2}, True),
    ("at_most", {"a": "b", "b": "a"}, False),
    ("more", {"a": 1, "b": 2}, False),
    ("at_least", {"a": 2, "b": 2}, True),
    ("both", {"a": True, "b": False}, False),
    ("either", {"a": True, "b": False}, True),
    ("opposite", {"a": True}, False),
    ("join", {"items": ["a", "b"], "by": "-"}, "a-b"),
    ("split", {"text": "a,b", "by": ","}, ["a", "b"]),
    ("lower", {"text": "Ab"}, "ab"),
    ("upper", {"text": "Ab"}, "AB"),
    ("strip", {"text": " a "}, "a"),
    ("replace", {"text": "aXbX", "old": "X", "new": "-"}, "a-b-"),
    ("fill", {"template": "{n} of {who}{{}}", "n": 3, "who": "us"}, "3 of us{}"),
    ("text", {"a": True}, "true"),
    ("length", {"items": "abc"}, 3),
    ("concat", {"a": [1], "b": [2]}, [1, 2]),
    ("part", {"items": [1, 2, 3], "start": 1, "stop": 3}, [2, 3]),
    ("count", {"start": 2, "stop": 5}, [2, 3, 4]),
    ("item", {"items": [1, 2, 3], "index": -1}, 3),
    ("ordered", {"items": [3, 1, 2]}, [1, 2, 3]),
    ("backwards", {"items": [3, 1, 2]}, [2, 1, 3]),
    ("unique", {"items": [1, "a", 1, True, "a"]}, [1, "a", True]),
    ("total", {"items": [1, 2]}, 3),
    ("smallest", {"items": [2, 1]}, 1),
    ("largest", {"items": ["a", "b"]}, "b"),
    ("zipped", {"a": [1, 2], "b": ["x", "y"]}, [[1, "x"], [2, "y"]]),
    ("contains", {"items": {"a": 1}, "item": "a"}, True),
    ("get", {"record": {"a": 1}, "key": "a"}, 1),
    ("merged", {"a": {"x": 1, "y": 1}, "b": {"y": 2}}, {"x": 1, "y": 2}),
]


@pytest.mark.parametrize(("op", "operands", "result"), RESULTS, ids=[each[0] for each in RESULTS])
def test_each_operation_gives(op: str, operands: dict[str, Any], result: Any) -> None:
    assert apply(op, operands) == result


def test_each_operation_is_tried_above() -> None:
    assert {op for op, _, _ in RESULTS} == set(OPERATIONS)


@pytest.mark.parametrize(
    ("op", "operands", "message"),
    [
        ("add", {"a": True, "b": 1}, "a is bool, and has to be a number"),
        ("add", {"a": 2**64 - 1, "b": 1}, "the number is too large"),
        ("divide", {"a": 1, "b": 0}, "division by zero"),
        ("item", {"items": [1], "index": 1}, "there is no item 1 in a list of 1"),
        ("get", {"record": {}, "key": "x"}, "the record has no 'x'"),
        ("fill", {"template": "{n} {m}", "n": 1}, "the template has {m}, and there is n"),
        ("fill", {"template": "{n}", "n": [1]}, "list has no text of its own"),
        ("replace", {"text": "a", "old": "", "new": "x"}, "what is replaced has a character at least"),
        ("replace", {"text": "a" * 1000, "old": "a", "new": "b" * 1000}, "the result would have more than"),
        ("join", {"items": ["a"] * 1000, "by": "b" * 1000}, "the result would have more than"),
        ("fill", {"template": "{n}" * 1000, "n": "b" * 1000}, "the result would have more than"),
        ("count", {"start": 0, "stop": 10**9}, "the result would have more than"),
        ("smallest", {"items": []}, "the list is empty"),
        ("zipped", {"a": [1], "b": []}, "shorter"),
        ("unique", {"items": [[1]]}, "only numbers, texts and bools"),
        ("ordered", {"items": [1, "a"]}, "not supported"),
    ],
)
def test_operands_of_no_use_are_told(op: str, operands: dict[str, Any], message: str) -> None:
    with pytest.raises(FAULTS, match=message.replace("{", r"\{")):
        apply(op, operands)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(op=st.sampled_from(sorted(OPERATIONS)), data=st.data())
def test_no_operand_brings_down_the_engine(op: str, data: st.DataObject) -> None:
    operands = {name: data.draw(plain) for name in OPERATIONS[op].takes}
    try:
        result = apply(op, operands)
    except FAULTS:
        return
    assert len(result) <= LONGEST if isinstance(result, str | list) else True
    msgspec.msgpack.encode(result)


# As nodes ------------------------------------------------------------------------------------------


def operation(op: str, **inputs: Input) -> OpNode:
    return OpNode(op, inputs, {})


def flow(**nodes: Any) -> Any:
    return workflow(graph(nodes, Ref(node=list(nodes)[-1]), "n"))


def ended(scene: Scene) -> Any:
    scene.sweep()
    assert isinstance(scene.run.state, Ended), scene.run
    return scene.run.state.outcome


def value(scene: Scene, path: str) -> Any:
    return msgspec.msgpack.decode(scene.tables.values[RUN, path, "value"].data)


def test_an_operation_is_done_by_the_engine_and_its_value_is_one_like_any_other() -> None:
    scene = Scene(
        flow(
            twice=operation("multiply", a=Ref(port="n"), b=Constant(2)),
            more=operation("add", a=Ref(node="twice"), b=Constant(1)),
        )
    )
    scene.submit(n=4)
    assert (ended(scene), value(scene, "twice"), value(scene, "more")) == (Succeeded(), 8, 9)
    assert (scene.state("more"), scene.queued()) == (StepSucceeded(), [])


def test_a_fault_of_an_operation_fails_it_with_its_place() -> None:
    scene = Scene(flow(share=operation("divide", a=Constant(1), b=Ref(port="n"))))
    scene.submit(n=0)
    assert ended(scene) == Failed(Failure(Code.INVALID_INPUT, "divide: division by zero", path="share"))


def test_a_result_that_is_too_large_says_to_use_a_task() -> None:
    scene = Scene(flow(all=operation("count", start=Constant(0), stop=Ref(port="n"))))
    scene.submit(n=60_000)
    assert "the engine makes at most 16384: use a task" in ended(scene).failure.message


def test_a_large_operand_is_fetched_first() -> None:
    blob = Blob(b"b" * 32, 30_000)
    scene = Scene(flow(make=task("t.make"), size=operation("join", items=Ref(node="make"), by=Constant("-"))))
    scene.tables.blobs[blob.digest] = blob.size
    scene.submit(n=1)
    scene.claim()
    scene.succeed("make", value=blob)
    (order,) = [each for each in scene.pass_time(timedelta(0)) if isinstance(each, FetchOperands)]
    assert order.places == (("make", "value"),)
    scene.decide(OperandsFetched(RUN, "size", {("make", "value"): inline(["a", "b"])}))
    assert (ended(scene), value(scene, "size")) == (Succeeded(), "a-b")


def test_of_a_long_map_only_the_length_is_looked_at() -> None:
    body = graph({"one": operation("add", a=Ref(port="x"), b=Constant(1))}, Ref(node="one"), "x")
    each = MapNode({"x": Ref(port="n")}, body, window=5000)
    scene = Scene(flow(each=each, size=operation("length", items=Ref(node="each"))))
    scene.submit(n=list(range(1200)))
    while any(kind == "feed" for kind, _ in scene.timers()):
        scene.pass_time(timedelta(0))
    assert (ended(scene), value(scene, "size")) == (Succeeded(), 1200)
    scene = Scene(flow(each=each, sum=operation("total", items=Ref(node="each"))))
    scene.submit(n=list(range(1200)))
    while any(kind == "feed" for kind, _ in scene.timers()):
        scene.pass_time(timedelta(0))
    assert "items has 1200 items" in ended(scene).failure.message
    scene = Scene(flow(each=each, sum=operation("total", items=Ref(node="each"))))
    scene.submit(n=list(range(900)))
    assert (ended(scene), value(scene, "sum")) == (Succeeded(), 900 * 901 // 2)


def test_a_missing_field_fails_the_operation() -> None:
    scene = Scene(flow(one=operation("add", a=Ref(port="n", fields=("x",)), b=Constant(1))))
    scene.submit(n={"y": 1})
    assert isinstance(scene.state("one"), StepFailed)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (operation("ad", a=Constant(1), b=Constant(1)), "there is no operation 'ad'; did you mean 'add'?"),
        (operation("add", a=Constant(1)), "add takes a, b, and not a"),
        (operation("add", a=Constant(1), b=Constant(1), c=Constant(1)), "add takes a, b, and not a, b, c"),
        (operation("add", a=Ref(port="t"), b=Constant(1)), "a is a text, and add takes a number"),
        (
            OpNode("equal", {"a": Constant(1), "b": Constant(1)}, NUMBER),
            "equal gives a bool, and is said to give a number",
        ),
    ],
)
def test_what_is_no_operation_is_refused(node: OpNode, message: str) -> None:
    body = Graph({"t": {"type": "string"}}, {"op": node}, {"value": Ref(node="op")}, {"value": {}})
    assert [problem.reason for problem in check(workflow(body), {})] == [message]
