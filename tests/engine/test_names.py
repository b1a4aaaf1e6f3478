"""Which graph a name means."""

from tests.contracts.store.sample import AT, write
from tests.engine.bench import Bench
from tidemill.core.ids import Digest
from tidemill.core.rows import Changes, GraphRow
from tidemill.engine.graphs import PAGE, Graphs


def a_version(number: int, name: str = "often") -> GraphRow:
    return GraphRow(Digest(number.to_bytes(32, "big")), b"{}", name, AT + number * 120_000_000)


async def test_a_name_is_known_however_many_graphs_came_after_it(bench: Bench) -> None:
    store, last = bench.store, 3 * PAGE
    await write(store, Changes(graphs=[a_version(0, "once"), *map(a_version, range(1, last + 1))]))
    graphs = Graphs(store)
    await graphs.load()
    assert graphs.names() == {"once": a_version(0).digest, "often": a_version(last).digest}


async def test_what_other_servers_publish_is_read_and_nothing_else(bench: Bench) -> None:
    store, latest = bench.store, 1000
    await write(store, Changes(graphs=list(map(a_version, range(3 * PAGE)))))
    graphs = Graphs(store)
    await graphs.load()
    await write(store, Changes(graphs=[a_version(latest, "new")]))
    before = store.counts().statements
    await graphs.load()
    assert graphs.by_name("new") == a_version(latest).digest
    assert graphs.by_name("often") == a_version(3 * PAGE - 1).digest
    assert store.counts().statements - before == 1  # a page
