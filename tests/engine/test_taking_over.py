"""Long runs that take over what is recorded, through the engine and the protocol, on a real file."""

from msgspec.structs import replace

from tests.engine.bench import NOOP, mapped
from tests.engine.peer import Mill, Peer
from tidemill.core.definitions import TaskOptions
from tidemill.core.ids import RunId
from tidemill.core.rules import CacheRule
from tidemill.core.run import Fork, Run
from tidemill.wire import worker as wire

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
