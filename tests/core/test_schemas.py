"""The JSON Schemas in docs/schemas are what the code reads and writes."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from tests.core.graphs import Maker
from tests.core.scene import lone
from tests.schemas import FOLDER, published, text_of
from tidemill.core.definitions import Pools
from tidemill.core.documents import document_of
from tidemill.core.graph import BranchNode, Case, Graph, State, Workflow
from tidemill.core.run import Code, End, Failure
from tidemill.core.terms import AllOf, AnyOf, Compare, Comparison, Constant, IsTrue, Not, Present, Ref, Size
from tidemill.core.values import Blob, Inline
from tidemill.wire import worker as wire

GRAPH = jsonschema_rs.validator_for(published()["graph-1.json"])
FRAMES = jsonschema_rs.validator_for(published()["worker-1.json"])
REF = wire.AttemptRef(b"r" * 16, "pages[1]/embed", 2)


@pytest.mark.parametrize("name", published())
def test_a_published_schema_is_current(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == text_of(published()[name]), "run python -m tests.schemas"


@pytest.mark.parametrize("seed", range(50))
def test_real_documents_are_valid(seed: int) -> None:
    GRAPH.validate(json.loads(document_of(Maker(Random(seed)).workflow())))


def test_each_kind_of_condition_is_valid() -> None:
    x = Ref(port="x")
    compared = Compare(Comparison.AT_MOST, Size(x), Constant(3))
    when = AllOf((compared, AnyOf((IsTrue(x), Present(x), Not(compared)))))
    inner = lone().body
    body = Graph({"x": {}}, {"if": BranchNode((Case("then", when, inner), Case("else", None, inner)))}, {}, {})
    GRAPH.validate(json.loads(document_of(Workflow("tidemill.graph/1", "w", "", {"": State(body)}))))


def change(path: str, value: Any) -> Callable[[Any], None]:
    def apply(plain: Any) -> None:
        *way, last = path.split(".")
        for key in way:
            plain = plain[key if key != "start" else ""]
        plain[last] = value

    return apply


NODE = "states.start.body.nodes.one"
WRONG: dict[str, Callable[[Any], None]] = {
    "no name": lambda plain: plain.pop("name"),
    "a number for a name": change("name", 5),
    "a list of states": change("states", []),
    "an unknown node": change(NODE + ".type", "shell"),
    "a text for inputs": change(NODE + ".inputs", "x"),
    "an unknown expression": change(NODE + ".inputs", {"x": {"type": "code"}}),
    "a field of half": change(NODE + ".inputs", {"x": {"type": "ref", "fields": [0.5]}}),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_wrong_documents_are_not_valid(spoil: Callable[[Any], None]) -> None:
    plain = json.loads(document_of(lone()))
    spoil(plain)
    assert not GRAPH.is_valid(plain)


MESSAGES: list[Any] = [
    wire.Hello(wire.PROTOCOL, "w", b"i" * 16, (), Pools(4, {"gpu": 1}), (REF,), (REF,)),
    wire.Credit({"": 4, "gpu": 1}),
    wire.Started(REF),
    wire.Heartbeat(3, ((REF, "half"),)),
    wire.Progress(REF, 0.5, "read"),
    wire.Log(REF, (wire.LogLine(1, "INFO", "x", "text"),), 2),
    wire.Chunk(REF, 0, (b"\x01",)),
    wire.Succeeded(
        REF, {"value": Inline(b"\x01"), "file": Blob(b"d" * 32, 5)}, "fine", (wire.Published("a", b"d", 1, "b"),)
    ),
    wire.Failed(REF, Failure(Code.TRANSIENT, "later", retry_after_s=1.5), End.KILLED),
    wire.Released(REF, "it drains"),
    wire.Goodbye(),
    wire.Welcome(wire.PROTOCOL, b"s" * 16, 30.0, 5.0, (REF,), (REF,)),
    wire.Refused("why", "what to do"),
    wire.Assign(REF, "t.one", {}),
    wire.Cancel(REF, 10.0, "enough"),
    wire.Ack((REF,)),
    wire.Stale((REF,)),
    wire.ChunkAck(REF, 7),
    wire.Drain(),
    wire.Ping(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_each_message_is_valid(message: Any) -> None:
    FRAMES.validate(msgspec.json.decode(msgspec.json.encode([message])))


WRONG_FRAMES: list[Any] = [{}, [["shutdown"]], [["started"]], [["started", "x"]], [["ack", [["r", "p", "one"]]]]]


@pytest.mark.parametrize("frame", WRONG_FRAMES)
def test_wrong_frames_are_not_valid(frame: Any) -> None:
    assert not FRAMES.is_valid(frame)
