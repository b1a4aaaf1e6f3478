"""What tasks require, through the engine and the protocol, on a real file."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.bench import NOOP
from tests.engine.peer import Mill, Peer
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.graph import FORMAT, Graph, NodeOptions, State, TaskNode, Workflow
from tidemill.core.ids import Digest
from tidemill.core.requirements import Capability, Gpu, Requirements, Resources
from tidemill.core.rows import Changes
from tidemill.core.run import AttemptEnded, Code
from tidemill.core.terms import Ref
from tidemill.wire import worker as wire

GIB = 1024**3
BOX = Capability(resources=Resources(4, 8 * GIB, (Gpu("0", 24 * GIB), Gpu("1", 24 * GIB))), tags=("fast",))


def needing(implementation: str = "", **requires: Any) -> TaskDefinition:
    return replace(NOOP, options=TaskOptions(requires=Requirements(**requires)), implementation=implementation)


def asking(**requires: Any) -> Workflow:
    """A workflow whose one node requires something beside its task."""
    node = TaskNode(
        "t.noop",
        {"x": Ref(port="x")},
        NOOP.outputs,
        NOOP.digest,
        options=NodeOptions(requires=Requirements(**requires)),
    )
    number = {"type": "integer"}
    body = Graph({"x": number}, {"noop": node}, {"value": Ref(node="noop")}, {"value": number})
    return Workflow(format=FORMAT, name="asking", start="", states={"": State(body)})


async def quiet(mill: Mill, *peers: Peer) -> None:
    """Two beats have passed: what could be sent was sent."""
    for _ in range(2):
        await mill.engine.record(Changes(blobs={Digest(b"q" * 32): 1}))
    for peer in peers:
        assert not peer.unheard(wire.Assign)


@pytest.mark.promise("P8")
async def test_a_worker_is_sent_no_more_than_its_resources_hold(mill: Mill) -> None:
    peer = await mill.worker(tasks=(needing(cpus=1.5, ram=GIB),), offers=BOX)
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(4)]
    first = await peer.hear(wire.Assign)
    assert first.granted is not None
    assert (first.granted.cpus, first.granted.ram) == (1.5, GIB)
    held = [first.attempt, await peer.take()]
    await quiet(mill, peer)
    for _ in runs:
        await peer.succeed(held.pop(0))
        if len(held) == 1 and (more := peer.unheard(wire.Assign)):
            held += [await peer.take() for _ in more]
        elif not held:
            held += [await peer.take()] if peer.unheard(wire.Assign) else []
    assert [(await mill.ended(run)).status for run in runs] == ["succeeded"] * 4


async def test_gpus_are_granted_by_id_and_given_back(mill: Mill) -> None:
    peer = await mill.worker(tasks=(needing(gpus=1),), offers=BOX)
    graph = await mill.published()
    for number in range(3):
        await mill.submit(graph, x=number)
    one, two = await peer.hear(wire.Assign), await peer.hear(wire.Assign)
    assert one.granted is not None
    assert two.granted is not None
    assert {*one.granted.gpus, *two.granted.gpus} == {"0", "1"}
    await quiet(mill, peer)
    await peer.fail(two.attempt, Code.PERMANENT)
    three = await peer.hear(wire.Assign)
    assert three.granted == two.granted
    assert (await mill.attempt(three.attempt)).granted == three.granted


async def test_what_a_worker_still_holds_at_its_hello_stays_reserved(mill: Mill) -> None:
    first = mill.connect("w", b"i" * 16)
    await first.hello(tasks=(needing(gpus=1),), offers=BOX)
    await first.grant(5)
    graph = await mill.published()
    await mill.submit(graph, x=1)
    ref = await first.take()
    await first.link.close()
    again = mill.connect("w", b"i" * 16)
    await again.hello(tasks=(needing(gpus=1),), offers=BOX, held=(ref,))
    await again.grant(5)
    for number in range(2):
        await mill.submit(graph, x=number)
    other = await again.hear(wire.Assign)
    assert other.granted is not None
    assert other.granted.gpus == ("1",), "the first one's GPU is still its own"
    await quiet(mill, again)
    await again.succeed(ref)
    last = await again.hear(wire.Assign)
    assert last.granted is not None
    assert last.granted.gpus == ("0",)


async def test_what_a_node_requires_waits_for_a_worker_that_has_it(mill: Mill) -> None:
    slow = await mill.worker(tasks=(NOOP,))
    run = await mill.submit(await mill.published(asking(tags=("fast",))))
    await quiet(mill, slow)
    fast = await mill.worker(tasks=(NOOP,), offers=BOX)
    await fast.succeed(await fast.take())
    assert (await mill.ended(run)).status == "succeeded"


async def test_what_a_node_requires_is_known_to_a_server_that_was_started_again(tmp_path: Path) -> None:
    async with Mill(tmp_path).opened() as mill:
        run = await mill.submit(await mill.published(asking(queue="night")))
        late = await mill.submit(await mill.published(asking(queue="night", cpus=3)))
    async with Mill(tmp_path).opened() as mill:
        day = await mill.worker(tasks=(NOOP,), offers=replace(BOX, queues=("default",)))
        night = await mill.worker(tasks=(NOOP,), offers=replace(BOX, queues=("night",)))
        for _ in range(2):
            await night.succeed(await night.take())
        assert [(await mill.ended(each)).status for each in (run, late)] == ["succeeded"] * 2
        await quiet(mill, day)


@pytest.mark.feature("C8")
async def test_a_worker_that_says_it_has_the_model_is_sent_the_task_that_requires_it(mill: Mill) -> None:
    task = needing(models=("sd15",))
    cold, warm = await mill.worker(tasks=(task,)), await mill.worker(tasks=(task,))
    graph = await mill.published()
    run = await mill.submit(graph, x=1)
    await quiet(mill, cold, warm)
    await warm.say(wire.Models({"sd15": 2 * GIB}, {}))
    await warm.succeed(await warm.take())
    assert (await mill.ended(run)).status == "succeeded"
    await warm.say(wire.Models({}, {}), wire.Models({}, {}))
    again = await mill.submit(graph, x=2)
    await quiet(mill, cold, warm)
    await cold.say(wire.Models({}, {"sd15": 2 * GIB}))
    await cold.succeed(await cold.take())
    assert (await mill.ended(again)).status == "succeeded"


async def test_the_worker_with_the_model_in_memory_goes_before_one_that_has_it_on_disk(mill: Mill) -> None:
    task = needing(models=("sd15",))
    disk = await mill.worker(tasks=(task,), offers=Capability(disk={"sd15": 1}))
    hot = await mill.worker(tasks=(task,), offers=Capability(hot={"sd15": 1}))
    graph = await mill.published()
    for number in range(3):
        await mill.submit(graph, x=number)
        await hot.take()
    await quiet(mill, disk)


@pytest.mark.feature("A15")
async def test_of_two_implementations_one_that_fits_is_taken_and_recorded(mill: Mill) -> None:
    gpu = await mill.worker(tasks=(needing("gpu", gpus=1),), offers=BOX)
    cpu = await mill.worker(tasks=(needing("cpu", cpus=1.0),), offers=Capability(resources=Resources(1)))
    graph = await mill.published()
    for number in range(3):
        await mill.submit(graph, x=number)
    refs = [(peer, await peer.hear(wire.Assign)) for peer in (gpu, gpu, cpu)]
    assert [assign.implementation for _, assign in refs] == ["gpu", "gpu", "cpu"]
    assert [(await mill.attempt(assign.attempt)).implementation for _, assign in refs] == ["gpu", "gpu", "cpu"]
    for peer, assign in refs:
        await peer.succeed(assign.attempt)


@pytest.mark.feature("A15")
async def test_a_run_may_insist_on_an_implementation(mill: Mill) -> None:
    gpu = await mill.worker(tasks=(needing("gpu", gpus=1),), offers=BOX)
    cpu = await mill.worker(tasks=(needing("cpu", cpus=1.0),), offers=Capability(resources=Resources(1)))
    graph = await mill.published(asking(implementation="cpu"))
    for number in range(2):
        await mill.submit(graph, x=number)
    await cpu.succeed(await cpu.take())
    ref = await cpu.take()
    await quiet(mill, gpu)
    assert (await mill.attempt(ref)).implementation == "cpu"


async def test_definitions_of_both_implementations_are_kept(mill: Mill) -> None:
    for name in ("gpu", "cpu"):
        await mill.worker(tasks=(needing(name, cpus=1.0),))
    rows = [row.definition.implementation for row in await mill.store.tasks()]
    assert sorted(rows) == ["cpu", "gpu"]
    await mill.worker(tasks=(needing("gpu", cpus=1.0),))
    assert len(await mill.store.tasks()) == 2, "what is known already is not written again"


@pytest.mark.parametrize("cpus", [float("nan"), -1.0])
async def test_a_worker_that_says_nonsense_of_itself_is_refused(mill: Mill, cpus: float) -> None:
    peer = mill.connect()
    offers = Capability(resources=Resources(cpus))
    await peer.say(wire.Hello(wire.PROTOCOL, "w", b"i" * 16, (NOOP,), wire.Pools(1), offers=offers))
    assert "makes no sense" in (await peer.hear(wire.Refused)).reason


async def test_a_task_whose_needs_make_no_sense_is_sent_nowhere_and_stops_nobody_else(mill: Mill) -> None:
    peer = await mill.worker(tasks=(needing(cpus=float("nan")),), offers=BOX)
    await mill.started()
    other = replace(NOOP, name="t.other", digest="sha256:other")
    fine = await mill.worker(tasks=(other,))
    node = TaskNode("t.other", {"x": Ref(port="x")}, NOOP.outputs, other.digest)
    number = {"type": "integer"}
    body = Graph({"x": number}, {"other": node}, {"value": Ref(node="other")}, {"value": number})
    run = await mill.submit(await mill.published(Workflow(format=FORMAT, name="o", start="", states={"": State(body)})))
    await fine.succeed(await fine.take())
    assert (await mill.ended(run)).status == "succeeded"
    await quiet(mill, peer)


async def test_an_attempt_that_is_lost_gives_back_what_it_was_granted(mill: Mill) -> None:
    task = needing(gpus=2)
    old = mill.connect("w", b"i" * 16)
    await old.hello(tasks=(task,), offers=BOX)
    await old.grant(5)
    await mill.started()
    ref = await old.take()
    await old.link.close()
    new = mill.connect("w", b"j" * 16)
    await new.hello(tasks=(task,), offers=BOX)
    await new.grant(5)
    assert (await new.take()).number == 2
    assert isinstance((await mill.attempt(ref)).state, AttemptEnded)
