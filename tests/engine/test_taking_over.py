"""Long runs, and what they take over of what is recorded, through the engine and the protocol, on a real file."""

from msgspec.structs import replace

from tests.engine.bench import LIST, NOOP, NUMBER, mapped, noop, workflow_of
from tests.engine.peer import Mill, Peer
from tidemill.core.definitions import TaskOptions
from tidemill.core.graph import ElementFailure, Graph, LoopNode, MapNode, Workflow
from tidemill.core.ids import RunId
from tidemill.core.rules import CacheRule
from tidemill.core.run import Code, Fork, Run
from tidemill.core.terms import Compare, Comparison, Constant, ListExpr, Ref
from tidemill.wire import worker as wire

LONG = 1_100
LENGTH = 700  # an event loads rows at most 1,000 times


async def played(mill: Mill, peer: Peer, run: RunId) -> Run:
    for _ in range(LENGTH):
        await peer.succeed(await peer.take())
    return await mill.ended(run)


async def test_a_fork_of_a_long_map_takes_all_of_it_over(mill: Mill) -> None:
    peer = await mill.worker(credit=LENGTH)
    graph, xs = await mill.published(mapped(window=LENGTH)), list(range(LENGTH))
    first = await played(mill, peer, await mill.submit(graph, xs=xs))
    (fork,) = await mill.engine.submit([replace(mill.order(graph, xs=xs), fork=Fork(first.id, graph))])
    assert isinstance(fork, Run), fork
    ended = await mill.ended(fork.id)
    assert (ended.status, ended.done, ended.failed) == ("succeeded", LENGTH, 0)
    assert not peer.unheard(wire.Assign)


async def test_all_elements_of_a_long_map_may_be_recorded_results(mill: Mill) -> None:
    peer = await mill.worker(tasks=(replace(NOOP, options=TaskOptions(cache=CacheRule(60))),), credit=LENGTH)
    graph, xs = await mill.published(mapped(window=LENGTH)), list(range(LENGTH))
    await played(mill, peer, await mill.submit(graph, xs=xs))
    again = await mill.ended(await mill.submit(graph, xs=xs))
    assert (again.status, again.done) == ("succeeded", LENGTH)
    assert not peer.unheard(wire.Assign)


async def test_an_item_of_a_long_list_with_gaps_is_found(mill: Mill) -> None:
    """Which elements failed says which item it is."""
    element = Graph({"x": NUMBER}, {"noop": noop(Ref(port="x"))}, {"value": Ref("noop")}, {"value": NUMBER})
    each = MapNode({"x": Ref(port="xs")}, element, window=LONG, on_failure=ElementFailure.SKIP)
    nodes = {"each": each, "last": noop(Ref("each", "value", (-1,)))}
    peer = await mill.worker(credit=LONG + 1)
    graph = await mill.published(workflow_of(Graph({"xs": LIST}, nodes, {"value": Ref("last")}, {"value": NUMBER})))
    run = await mill.submit(graph, xs=list(range(LONG)))
    for number in range(LONG):
        ref = await peer.take()
        await (peer.fail(ref, Code.PERMANENT) if number == 3 else peer.succeed(ref))
    last = await peer.take()
    assert last.path == "last"
    await peer.succeed(last)
    assert (await mill.ended(run)).status == "succeeded"


def rounds() -> Workflow:
    """A loop until its task gives a large number, with a map in each round."""
    element = Graph({"x": NUMBER}, {"noop": noop(Ref(port="x"))}, {"value": Ref("noop")}, {"value": NUMBER})
    inner = Graph(
        {"p": NUMBER},
        {"each": MapNode({"x": ListExpr((Ref(port="p"),))}, element), "noop": noop(Ref(port="p"))},
        {"value": Ref("noop")},
        {"value": NUMBER},
    )
    enough = Compare(Comparison.MORE, Ref("noop"), Constant(9))
    loop = LoopNode("p", Ref(port="x"), inner, enough, 3)
    return workflow_of(Graph({"x": NUMBER}, {"loop": loop}, {"value": Ref("loop")}, {"value": NUMBER}))


async def test_a_fork_goes_into_rounds_that_its_origin_never_saw(mill: Mill) -> None:
    peer = await mill.worker()
    graph = await mill.published(rounds())
    first = await mill.submit(graph, x=1)
    for _ in range(2):
        await peer.succeed(await peer.take(), 10)
    await mill.ended(first)
    (fork,) = await mill.engine.submit([replace(mill.order(graph, x=2), fork=Fork(first, graph))])
    assert isinstance(fork, Run), fork
    for value in (2, 2, 10, 10):
        await peer.succeed(await peer.take(), value)
    assert (await mill.ended(fork.id)).status == "succeeded"
