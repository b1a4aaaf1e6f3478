"""Graph documents: one digest per meaning, and a reason for each refusal."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.graphs import Maker
from tests.core.scene import graph, lone, mapping, task, workflow
from tidemill.core.build import check
from tidemill.core.documents import (
    DOCUMENT_LIMIT_BYTES,
    DocumentError,
    digest_of_document,
    document_of,
    parse_document,
)
from tidemill.core.graph import BranchNode, CallNode, Case, ConstNode, Graph, MapNode, NodeOptions, Workflow
from tidemill.core.shape import DEPTH_LIMIT
from tidemill.core.terms import Compare, Comparison, Constant, ListExpr, Ref


def shuffled(plain: Any, chance: Any) -> Any:
    """The same JSON with the keys of each object in another order."""
    if isinstance(plain, dict):
        keys = list(plain)
        chance.shuffle(keys)
        return {key: shuffled(plain[key], chance) for key in keys}
    return [shuffled(each, chance) for each in plain] if isinstance(plain, list) else plain


@given(st.integers(0, 2**32).map(Random))
def test_a_digest_does_not_depend_on_the_order_of_keys(chance: Any) -> None:
    document = document_of(Maker(chance).workflow())
    again = json.dumps(shuffled(json.loads(document), chance), indent=2).encode()
    assert document_of(parse_document(again)) == document
    assert digest_of_document(document_of(parse_document(again))) == digest_of_document(document)


@given(st.integers(0, 2**32).map(Random))
def test_a_document_comes_back_as_the_workflow_that_it_was(chance: Any) -> None:
    made = Maker(chance).workflow()
    assert parse_document(document_of(made)) == made


def test_what_a_newer_writer_added_is_passed_over() -> None:
    plain = json.loads(document_of(lone()))
    plain["later"] = plain["states"][""]["body"]["later"] = 1
    assert parse_document(json.dumps(plain).encode()) == lone()


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        ("tidemill.graph/2", "upgrade the server"),
        ("tidemill.graph/0", "build it again with this version of tidemill"),
        ("tidemill.graph/x", "build it again with this version of tidemill"),
        ("other/2", "build it again with this version of tidemill"),
    ],
)
def test_another_format_is_refused_with_what_to_do(found: str, advice: str) -> None:
    document = document_of(replace(lone(), format=found))
    with pytest.raises(DocumentError, match=f"'{found}'.*{advice}"):
        parse_document(document)


def nested(depth: int) -> Workflow:
    body = graph({"one": task()}, Ref(node="one"))
    for _ in range(depth - 1):
        body = graph({"in": CallNode("inner", {}, body)}, Ref(node="in"))
    return workflow(body)


def listed(depth: int) -> Workflow:
    source: Any = Constant(1)
    for _ in range(depth - 1):
        source = ListExpr((source,))
    return workflow(graph({"one": task(x=source)}, Ref(node="one")))


@pytest.mark.parametrize("made", [nested, listed])
def test_nesting_has_a_limit(made: Any) -> None:
    assert parse_document(document_of(made(DEPTH_LIMIT)))
    with pytest.raises(DocumentError, match=f"deeper than {DEPTH_LIMIT}"):
        parse_document(document_of(made(DEPTH_LIMIT + 1)))


HOSTILE = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "no UTF-8": b'{"format": "\xff"}',
    "a lone surrogate": b'{"format": "\\ud800"}',
    "no format": b'{"name": "x"}',
    "a number for a name": b'{"format": "tidemill.graph/1", "name": 1, "start": "", "states": {}}',
    "an unknown node": b'{"format": "tidemill.graph/1", "name": "x", "start": "", "states": {"": {"body": {'
    b'"inputs": {}, "outputs": {}, "types": {}, "nodes": {"a": {"type": "shell", "run": "rm"}}}}}}',
    "deep brackets": b'{"format": "tidemill.graph/1", "states": ' + b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a deep constant": b'{"format": "tidemill.graph/1", "name": "x", "start": "", "states": {"": {"body": {"inputs": '
    b'{"x": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b'}, "outputs": {}, "types": {}, "nodes": {}}}}}',
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_graph_is_refused_with_a_reason(document: bytes) -> None:
    with pytest.raises(DocumentError) as refusal:
        parse_document(document)
    assert len(str(refusal.value)) < 500


def test_a_document_has_a_largest_size() -> None:
    document = document_of(lone())
    padded = document + b" " * (DOCUMENT_LIMIT_BYTES - len(document))
    assert parse_document(padded) == lone()
    with pytest.raises(DocumentError, match=f"{DOCUMENT_LIMIT_BYTES + 1} bytes"):
        parse_document(padded + b" ")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_graph_or_are_refused(document: bytes) -> None:
    with pytest.raises(DocumentError):
        parse_document(document)


# What holds together -------------------------------------------------------------------------------

ARM = graph({"in": task()}, Ref(node="in"))
LONG = Compare(Comparison.EQUAL, Ref(node="a"), Constant("x" * 1100))
ALWAYS_FIRST = BranchNode((Case("a", None, ARM), Case("b", None, ARM)))
MISSHAPEN: dict[str, tuple[Graph, str, str]] = {
    "a slash": (graph({"a/b": task()}, Constant(1)), "a/b", "no name for a node"),
    "a bracket": (graph({"a[0]": task()}, Constant(1)), "a[0]", "no name for a node"),
    "no name": (graph({"": task()}, Constant(1)), "", "no name for a node"),
    "a case's slash": (
        graph({"b": BranchNode((Case("x/y", None, ARM),))}, Constant(1)),
        "b",
        "no name for a case",
    ),
    "no case": (graph({"b": BranchNode(())}, Constant(1)), "b", "a branch needs a case"),
    "two of a name": (
        graph({"b": BranchNode((Case("x", LONG, ARM), Case("x", None, ARM)))}, Constant(1)),
        "b",
        "two cases have one name",
    ),
    "always, then another": (graph({"b": ALWAYS_FIRST}, Constant(1)), "b", "only the last case"),
    "a long condition": (
        graph({"a": task(), "b": BranchNode((Case("x", LONG, ARM), Case("y", None, ARM)))}, Constant(1)),
        "b",
        "at most 1024 are taken",
    ),
    "no list": (graph({"m": MapNode({}, ARM)}, Constant(1)), "m", "a map needs a list"),
    "no window": (mapping(window=0).body, "all", "a window is at least 1"),
    "a large constant": (graph({"c": ConstNode("x" * 70_000, {})}, Constant(1)), "c", "make it an input"),
    "a large argument": (graph({"t": task(x=Constant("x" * 70_000))}, Constant(1)), "t", "make it an input"),
    "deep inside": (graph({"c": CallNode("w", {}, mapping(window=-1).body)}, Constant(1)), "c/all", "a window"),
}


@pytest.mark.parametrize(("body", "place", "reason"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_a_graph_that_cannot_run_is_refused_with_its_place(body: Graph, place: str, reason: str) -> None:
    problems = check(workflow(body), {})
    assert [each.place for each in problems if reason in each.reason] == [place], problems


@given(st.integers(0, 2**32).map(Random))
def test_what_the_maker_of_random_workflows_makes_holds_together(chance: Any) -> None:
    shaped = check(Maker(chance).workflow(), {})
    assert [each for each in shaped if "name" in each.reason or "window" in each.reason] == []


def test_options_of_a_node_survive() -> None:
    node = replace(task(), options=NodeOptions(retries=0, timeout_s=1.5, priority=-2))
    made = workflow(graph({"one": node}, Ref(node="one")))
    assert msgspec.json.decode(document_of(made))["states"][""]["body"]["nodes"]["one"]["options"] == {
        "retries": 0,
        "timeout_s": 1.5,
        "priority": -2,
    }
    assert parse_document(document_of(made)) == made


def test_brackets_in_texts_are_no_depth() -> None:
    text = '\\"[{' * 600 + "\\\\"
    document = b'{"format": "tidemill.graph/1", "name": "' + text.encode() + b'", "start": "", "states": {}}'
    assert parse_document(document).states == {}
