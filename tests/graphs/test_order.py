"""Phases, a topological order and circles, on the object that users have."""

import sys

import pytest

from tests.graphs.samples import ALBUM, ARTICLE, number, plain
from tidemill import CycleError, Dag, Graph, Worker, map_over, workflow
from tidemill.core.terms import Ref
from tidemill.graphs.view import MissingPackageError, NoSuchGraphError

yard = Worker("yard")


@yard.task
def cut(x: int) -> int:
    return x


@yard.task
def add(x: int, y: int) -> int:
    return x + y


@yard.task
def merge(low: int, high: int) -> int:
    return low + high


@yard.task
def total(xs: list[int]) -> int:
    return sum(xs)


@workflow
def build(x: int, xs: list[int]) -> int:
    low = cut.options(name="low")(x)
    high = cut.options(name="high")(x)
    return total([add(low, high), total.options(name="all")(map_over(lambda each: add(each, x), xs))])


def test_nodes_of_one_phase_wait_for_none_of_their_own_or_a_later_one() -> None:
    found = Graph(build)
    assert found.phases() == [["low", "high", "map"], ["add", "all"], ["total"]]
    assert found.order() == ["low", "high", "map", "add", "all", "total"]
    assert found.needs()["total"] == {"add", "all"}
    assert found.phases("map") == [["add"]]


def test_a_machine_has_phases_in_each_state_and_says_which() -> None:
    found = Graph(ARTICLE)
    assert found.phases("publish") == [["pdf", "html"], ["bundle"]]
    with pytest.raises(NoSuchGraphError, match="machine of states; say which graph: 'write', 'write/captions'"):
        found.phases()
    with pytest.raises(NoSuchGraphError, match="no graph at 'publik'"):
        found.order("publik")
    assert Graph(ALBUM).phases("style/long") == [["shorten"]]
    assert "review/judge" in Graph(ALBUM).places


def test_a_circle_is_named_by_its_path() -> None:
    links = {"a": {"x": ""}, "b": {"x": "d", "y": "a"}, "c": {"x": "b"}, "d": {"x": "c"}}
    nodes = {
        name: number(**{param: Ref(of) if of else Ref(port="x") for param, of in takes.items()})
        for name, takes in links.items()
    }
    circle = Graph(plain(nodes))
    with pytest.raises(CycleError, match="b -> d -> c -> b") as caught:
        circle.phases()
    assert caught.value.cycle == ["b", "d", "c", "b"]
    assert [problem.text for problem in circle.check()] == ["these nodes wait for each other: b -> d -> c -> b"]


def test_a_long_chain_is_in_order() -> None:
    chain = plain({f"n{i}": number(x=Ref(f"n{i - 1}") if i else Ref(port="x")) for i in range(3_000)})
    assert Graph(chain).order() == [f"n{i}" for i in range(3_000)]


def test_a_graph_becomes_one_of_networkx() -> None:
    import networkx

    found = Graph(build).to_networkx()
    assert list(networkx.topological_generations(found)) == [["low", "high", "map"], ["add", "all"], ["total"]]
    assert found.nodes["low"] == {"kind": "task", "title": "yard.cut", "type": "int"}
    states = Graph(ARTICLE).to_networkx()
    assert [data["label"] for _, _, data in states.out_edges("approve", data=True)] == [
        "when approve.choice == 'yes'",
        "on timeout",
        "otherwise",
    ]
    assert networkx.has_path(states, "write", "end: nobody answered")


def test_without_networkx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingPackageError, match="pip install networkx"):
        Graph(build).to_networkx()


def test_a_dag_of_objects_has_phases_too() -> None:
    made = Dag("both", x=int)
    low, high = made.add(cut, name="low"), made.add(cut, name="high")
    joined = [low, high] >> made.add(merge)
    assert repr(joined) == "<step both/merge after low, high>"
    assert Graph(made).phases() == [["low", "high"], ["merge"]]
