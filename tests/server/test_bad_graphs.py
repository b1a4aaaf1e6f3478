"""Graphs that are none, over HTTP: each kind is refused with its place, and nothing makes the server stumble."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest

from tests.core.damage import damaged
from tests.server.http import Answer, Http
from tidemill.core.documents import DOCUMENT_LIMIT_BYTES, document_of
from tidemill.core.graph import (
    FORMAT,
    BranchNode,
    Case,
    End,
    Ending,
    Graph,
    LoopNode,
    MapNode,
    State,
    TaskNode,
    Transition,
    Workflow,
)
from tidemill.core.ids import digest_of, digest_text
from tidemill.core.terms import Compare, Comparison, Constant, Input, Ref

NUMBER = {"type": "integer"}
LIST = {"type": "array", "items": NUMBER}
DAMAGED = 150  # documents


def task(**inputs: Input) -> TaskNode:
    return TaskNode("media.nobody", inputs, {"value": NUMBER})


def good() -> Any:
    """A machine of two states with a map, a branch and a loop, as JSON."""
    inner = Graph({"x": NUMBER}, {"t": task(x=Ref(port="x"))}, {"value": Ref("t")}, {"value": NUMBER})
    cases = (Case("many", Compare(Comparison.MORE, Ref("t"), Constant(3)), inner), Case("few", None, inner))
    body = Graph(
        {"n": NUMBER, "xs": LIST},
        {
            "t": task(x=Ref(port="n")),
            "m": MapNode({"x": Ref(port="xs")}, inner),
            "b": BranchNode(cases, {"x": Ref("t")}),
            "l": LoopNode("x", Ref("t"), inner, Compare(Comparison.LESS, Ref("t"), Constant(3)), 5),
        },
        {"value": Ref("l")},
        {"value": NUMBER},
    )
    again = Transition("draft", when=Compare(Comparison.MORE, Ref("check"), Constant(5)), max_visits=3)
    states = {
        "draft": State(body, {"n": Ref(port="n"), "xs": Ref(port="xs")}, (Transition("check"),)),
        "check": State(
            inner, {"x": Ref("draft")}, (again, Transition(End(Ending.SUCCESS, "", {"value": Ref("check")})))
        ),
    }
    workflow = Workflow(FORMAT, "good", "draft", states, {"n": NUMBER, "xs": LIST}, {"value": NUMBER})
    return msgspec.json.decode(document_of(workflow))


def put(*path: str | int, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *outer, last = path
        for key in outer:
            document = document[key]
        document[last] = value

    return change


def drop(*path: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *outer, last = path
        for key in outer:
            document = document[key]
        del document[last]

    return change


DRAFT = ("states", "draft", "body")
NODES = (*DRAFT, "nodes")
CHECK = ("states", "check")
CONSTANT = {"type": "constant", "value": 1, "schema": NUMBER}
TEXT = {"type": "const", "value": "five"}


def ref(node: str, port: str = "value") -> Any:
    return {"type": "ref", "node": node, "port": port}


def deep(levels: int) -> Any:
    value: Any = {"type": "const", "value": 1}
    for _ in range(levels):
        value = {"type": "list", "items": [value]}
    return value


# What is changed, where it is told, and a part of what is told.
FAULTS: dict[str, tuple[Callable[[Any], None], str, str]] = {
    "an unknown port": (put(*DRAFT, "outputs", "value", value=ref("t", "vlaue")), "draft", "vlaue"),
    "an unknown node": (put(*DRAFT, "outputs", "value", value=ref("nobody")), "draft", "nobody"),
    "a missing input of a state": (drop("states", "draft", "inputs", "n"), "draft", "n"),
    "a missing input of a map": (drop(*NODES, "m", "body", "inputs", "x"), "draft/m/t", "no input 'x'"),
    "a number where a list is wanted": (put(*NODES, "m", "over", "x", value=ref("t")), "draft/m", "int"),
    "a text where a number is wanted": (put(*NODES, "l", "start", value=TEXT), "draft/l", "'five'"),
    "nodes in a circle": (put(*NODES, "t", "inputs", "x", value=ref("l")), "draft", "l"),
    "a node that waits for itself": (put(*NODES, "t", "after", value=["t"]), "draft", "t"),
    "a loop without a limit": (put(*NODES, "l", "limit", value=0), "draft/l", "limit"),
    "an endless loop": (put(*NODES, "l", "limit", value=10**9), "draft/l", "limit"),
    "a number compared with a text": (put(*NODES, "l", "until", "right", value=TEXT), "draft/l", "have no order"),
    "a state that is not there": (put("states", "draft", "transitions", 0, "to", value="chekc"), "draft", "'check'"),
    "a start that is not there": (put("start", value="darft"), "", "darft"),
    "a state that nothing leads to": (put("states", "lost", value=good()["states"]["check"]), "lost", "leads to this"),
    "a state that goes round for ever": (put(*CHECK, "transitions", value=[{"to": "draft"}]), "draft", "round"),
    "a state that leads nowhere": (put(*CHECK, "transitions", value=[]), "check", "nowhere"),
    "an end without the output": (drop(*CHECK, "transitions", 1, "to", "outputs", "value"), "check", "value"),
    "visits without a bound": (put(*CHECK, "transitions", 0, "max_visits", value=0), "check", "max_visits"),
    "a transition that is never taken": (
        put("states", "draft", "transitions", value=[{"to": "check"}, {"to": "check"}]), "draft", "never taken",
    ),
    "a name with a slash": (put(*NODES, "a/b", value=CONSTANT), "draft/a/b", "no name for a node"),
    "a state's name with a hash": (put("states", "a#1", value=good()["states"]["check"]), "a#1", "name"),
    "an empty name": (put(*NODES, "", value=CONSTANT), "draft/", "no name for a node"),
    "a schema of no type": (put(*DRAFT, "inputs", "n", value={"type": "intger"}), "draft", "'type'"),
    "a schema that is no object": (put(*DRAFT, "types", "value", value={"anyOf": [5]}), "draft", "schema"),
    "a reference of a schema to nowhere": (put("inputs", "n", value={"$ref": "#/$defs/gone"}), "", "leads nowhere"),
    "a type that is itself": (
        put("types", "value", value={"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}), "", "itself",
    ),
    "a bound that is a text": (put("inputs", "n", value={"type": "integer", "minimum": "1"}), "", "n"),
    "a large constant": (
        put(*NODES, "t", "inputs", "x", value={"type": "const", "value": "x" * 70_000}), "draft/t", "make it an input",
    ),
}  # fmt: skip

# Of what is no document at all, the whole is told.
NO_DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no graph document"),
    "no JSON": (b"{", "no graph document"),
    "no UTF-8": (b'{"format": "\xff"}', "no graph document"),
    "a list": (b"[]", "no graph document"),
    "a newer version": (b'{"format": "tidemill.graph/9"}', "upgrade the server"),
    "another format": (b'{"format": "airflow"}', "tidemill.graph/1"),
    "a giant number": (
        msgspec.json.encode(good()).replace(b'"max_visits":3', b'"max_visits":1' + b"0" * 400), "max_visits",
    ),
    "a kind of node that is unknown": (msgspec.json.encode(good()).replace(b'"loop"', b'"lop"'), "lop"),
    "deep brackets": (b'{"format":"tidemill.graph/1","states":' + b"[" * 5_000, "deeper"),
    "a lone surrogate": (b'{"format": "\\ud800"}', "no graph document"),
    "too large": (b" " * (DOCUMENT_LIMIT_BYTES + 1), "bytes"),
}  # fmt: skip


async def publish(http: Http, document: bytes) -> Answer:
    return await http("PUT", f"/api/v1/graphs/{digest_text(digest_of(document))}", document)


async def test_each_fault_is_told_with_its_place(http: Http) -> None:
    wrong = {}
    for name, (change, place, part) in FAULTS.items():
        document = good()
        change(document)
        answer = await publish(http, msgspec.json.encode(document, order="sorted"))
        told = answer.json.get("violations", []) if answer.status == 422 else answer.json
        if answer.status != 422 or not any(where == place and part in why for where, why in told):
            wrong[name] = answer.status, told
    assert wrong == {}, msgspec.json.encode(wrong)


async def test_the_document_of_the_faults_is_good_without_them(http: Http) -> None:
    document = good()
    document["states"]["check"]["body"]["nodes"]["t"]["task"] = "media.other"
    answer = await publish(http, msgspec.json.encode(document, order="sorted"))
    assert answer.status == 201
    assert answer.json["unverified"] == ["media.nobody", "media.other"]


@pytest.mark.parametrize("name", NO_DOCUMENTS)
async def test_what_is_no_document_is_refused_with_a_reason(http: Http, name: str) -> None:
    document, part = NO_DOCUMENTS[name]
    answer = await publish(http, document)
    assert answer.status in (413, 422)
    assert part in str(answer.json)


async def test_a_key_that_stands_twice_counts_once(http: Http) -> None:
    """The last one, as JSON readers do; the digest is of the bytes, so nobody can mean the other."""
    document = msgspec.json.encode(good(), order="sorted").replace(b'{"format"', b'{"format":"other","format"', 1)
    answer = await publish(http, document)
    assert answer.status in (201, 422)
    assert answer.status == 422 or answer.json["name"] == "good"


async def test_a_deep_graph_is_refused(http: Http) -> None:
    document = good()
    document["states"]["check"]["body"]["outputs"]["value"] = deep(40)
    answer = await publish(http, msgspec.json.encode(document, order="sorted"))
    assert (answer.status, answer.problem) == (422, "bad_graph")
    assert "deeper" in answer.json["detail"]


async def test_damaged_documents_never_make_the_server_stumble(http: Http) -> None:
    """Published or refused; what was published can be asked for, and started or refused too."""
    seen = set()
    for seed in range(DAMAGED):
        document = damaged(Random(seed))
        answer = await publish(http, document)
        seen.add(answer.status)
        assert answer.status in (201, 422), f"seed {seed}: {answer.status} {answer.body[:500]!r}"
        if answer.status == 201:
            graph = answer.json["digest"]
            run = await http.post("/api/v1/runs", {"graph": graph, "input": {"n": 7, "xs": [3, 1]}})
            assert run.status in (201, 422), f"seed {seed}: {run.status} {run.body[:500]!r}"
    assert seen == {201, 422}
