"""Runs that wait, and what is sent to them."""

from datetime import timedelta
from typing import Any

import msgspec

from tests.core.scene import RUN, Scene, graph, inline, task, workflow
from tidemill.core.commands import Command, RefuseSignal
from tidemill.core.events import (
    SignalSent,
)
from tidemill.core.graph import (
    ApprovalWait,
    Node,
    TimeWait,
    WaitNode,
    Workflow,
)
from tidemill.core.ids import RunId, digest_of
from tidemill.core.terms import Ref
from tidemill.core.wait_rows import NOBODY, Address, WaitKind

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
OTHER = RunId(b"q" * 16)


def waiting(what: Any, **more: Any) -> Workflow:
    """A wait, and a task that takes what it gave."""
    if not isinstance(what, TimeWait) and "within_s" not in more:
        more["forever"] = True
    nodes: dict[str, Node] = {"hold": WaitNode(what, {}, **more), "use": task(x=Ref(node="hold"))}
    return workflow(graph(nodes, Ref(node="use"), "at"))


def signal(name: str = "go", id_: str = "1", payload: object = "hello", run: RunId = RUN, key: str = "") -> SignalSent:
    address = Address(NOBODY if key else run, WaitKind.SIGNAL, name, key)
    return SignalSent(address, id_, inline(payload), digest_of(msgspec.msgpack.encode(payload)))


def begun(flow: Workflow, **inputs: object) -> Scene:
    scene = Scene(flow)
    scene.submit(**inputs)
    return scene


def value(scene: Scene, path: str = "hold") -> Any:
    row = scene.tables.values[RUN, path, "value"]
    decode = msgspec.json.decode if row.encoding.value == "j" else msgspec.msgpack.decode
    return decode(row.data)


def refusal(commands: list[Command]) -> RefuseSignal:
    (only,) = commands
    assert isinstance(only, RefuseSignal), only
    return only


def after_a_task(what: Any, **more: Any) -> Workflow:
    node = WaitNode(what, {}, after=("first",), forever=not isinstance(what, TimeWait), **more)
    nodes: dict[str, Node] = {"first": task(), "hold": node, "again": msgspec.structs.replace(node, after=("hold",))}
    return workflow(graph(nodes, Ref(node="again")))


def asked(**more: Any) -> Scene:
    return begun(waiting(ApprovalWait("Publish?", ("yes", "no")), **more))
