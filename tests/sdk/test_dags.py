"""Task DAGs: what joins what, what is skipped, and what is refused."""

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sdk import dags
from tests.sdk.dags import Draft, bundle, html, pdf, shop
from tidemill import (
    Dag,
    DefinitionError,
    RunFailedError,
    Step,
    StubCalledError,
    TaskFiles,
    TraceError,
    Worker,
    injected,
    stub,
    task_named,
)
from tidemill.client.blocking import Client
from tidemill.core.graph import BranchNode, TaskNode
from tidemill.core.terms import Ref
from tidemill.presets.sleep import Sleep
from tidemill.presets.worker import preset_worker
from tidemill.testing.local import local

SEA = Draft("sea", 2)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local(shop) as client:
        yield client


@pytest.mark.feature("E5")
def test_a_dag_runs_by_readiness_and_joins_by_the_names_of_parameters(client: Client) -> None:
    nodes = dags.publish.graph.nodes
    found = {name: node.inputs for name, node in nodes.items() if isinstance(node, TaskNode)}
    assert found["bundle"] == {"pdf": Ref("pdf"), "html": Ref("html")}
    assert found["pdf"] == found["html"] == {"draft": Ref("", "draft")}
    assert client.submit(dags.publish, draft=SEA).result() == dags.publish(draft=SEA) == ["sea.pdf", "sea.html"]
    assert client.submit(dags.twice, SEA).result() == dags.twice(SEA)


@pytest.mark.feature("E5")
@pytest.mark.parametrize("write", range(6))
def test_each_way_to_write_an_edge_gives_its_right_hand_operand(write: int) -> None:
    dag = Dag("way", draft=Draft)
    first, second, third = dag.add(pdf), dag.add(html), dag.add(bundle)
    ways: list[Callable[[], tuple[Any, Any]]] = [
        lambda: ([first, second] >> third, third),
        lambda: (third << [first, second], [first, second]),
        lambda: ((first >> third, second >> third)[1], third),
        lambda: ((third << first, third << second)[1], second),
        lambda: ((first >> [third], second >> third)[1], third),
        lambda: ((third.add_parents([first, second]), first.add_children(third), first >> third)[2], third),
    ]
    given, expected = ways[write]()
    assert given is expected or given == expected
    assert (third.parents, first.children, second.children) == ((first, second), (third,), (third,))
    assert dag(draft=SEA) == ["sea.pdf", "sea.html"]


@pytest.mark.feature("E6")
@pytest.mark.parametrize("count", range(7))
def test_conditions_are_steps_and_what_follows_a_skipped_one_is_skipped(client: Client, count: int) -> None:
    draft = Draft("sea", count)
    run = client.submit(dags.choosing, draft=draft)
    found = run.result()
    assert found == dags.choosing(draft=draft)
    assert (found["tidy"] == "tidy") == (count in (4, 6))
    paths = {step.path for step in run.steps()}
    assert ("html/run/html" in paths, "pdf/run/pdf" in paths) == (count <= 3, count > 3)


def test_conditions_read_as_they_were_written() -> None:
    assert repr(~(dags.long & dags.even) | dags.even) == "(not (is_long and is_even) or is_even)"


def test_a_dag_is_a_state_of_a_machine(client: Client) -> None:
    inputs = [("sea", 2, 1), ("sea", 5, 1)]
    for topic, pages, width in inputs:
        expected = dags.printing(topic, pages, width=width)
        assert client.submit(dags.printing, topic=topic, pages=pages, width=width).result() in (expected, [*expected])
    assert dags.printing("sea", 5, width=1) == ("sea.pdf 1", "sea.html")
    assert dags.printing("sea", 2, width=1) == {"html": None, "stamp": "sea.pdf 1"}
    with pytest.raises(RunFailedError, match="too wide"):
        client.submit(dags.printing, topic="sea", pages=2, width=9).result()


@pytest.mark.feature("E5")
def test_one_record_takes_the_merged_outputs_of_the_parents(client: Client) -> None:
    dag = Dag("merging", draft=Draft, note=str)
    dag.gives(dag.add(dags.numbers) >> dag.add(dags.total))
    assert client.submit(dag, draft=SEA, note="x").result() == dag(draft=SEA, note="x") == 6
    dag.gives([dag.add(pdf), dag.add(html), dag.add(dags.sides)] >> dag.add(dags.listing))
    texts = ["back=aes", "front=sea", "html=sea.html", "pdf=sea.pdf"]
    assert client.submit(dag, draft=SEA, note="x").result() == dag(draft=SEA, note="x") == texts
    dag.gives([dag.steps["pdf"], dag.add(dags.copy)] >> dag.add(dags.pack))
    assert client.submit(dag, draft=SEA, note="x").result() == dag(draft=SEA, note="x") == "sea.pdf 2 x"


def clash_of_fields(dag: Dag) -> None:
    _ = [dag.add(dags.numbers), dag.add(dags.numbers, name="more")] >> dag.add(dags.total)


@stub("shop.html", schema="")
def html_elsewhere(draft: Draft) -> str:
    raise StubCalledError("shop.html")


@pytest.mark.feature("E18")
def test_a_step_may_be_any_task_a_function_a_stub_a_preset_or_a_name() -> None:
    presets = preset_worker(Sleep())
    dag = Dag("any", draft=Draft, seconds=float)
    stubbed = dag.add(html_elsewhere, name="html")
    dag.add(presets.tasks["tidemill.sleep"]).add_children(stubbed)
    by_name = dag.add(task_named("tidemill.sleep", None), name="pause", takes=["seconds"])
    printed = by_name >> dag.add(pdf)
    dag.gives([printed, stubbed] >> dag.add(bundle))
    with local(shop, presets) as client:
        run = client.submit(dag, draft=SEA, seconds=0.0)
        assert run.result(timeout=20) == ["sea.pdf", "sea.html"]
        assert {step.path: step.task for step in run.steps()}["pause"] == "tidemill.sleep"
    with pytest.raises(DefinitionError, match="says itself what it takes"):
        Dag("no", draft=Draft).add(pdf, takes=["draft"])


@pytest.mark.feature("E18")
def test_steps_know_their_place_and_one_task_may_be_several() -> None:
    dag = Dag("twice", draft=Draft)
    first, second = dag.add(pdf), dag.add(pdf, name="html")
    last = dag.add(bundle)
    last.add_parents(first)
    second.add_children([last])
    assert (last.parents, first.children, first.parents) == ((first, second), (last,), ())
    assert repr(last) == "<step twice/bundle after pdf, html>"
    assert first(SEA) == "sea.pdf"
    assert dag(draft=SEA) == ["sea.pdf", "sea.pdf"]


def test_functions_are_declared_where_they_are_added() -> None:
    worker = Worker("local")
    dag = Dag("declared", worker=worker, draft=Draft)

    @dag.task
    def cover(draft: Draft, *, files: TaskFiles = injected) -> str:
        return draft.topic

    @dag.task(name="spine")
    @worker.task
    async def back(cover: str) -> str:
        return cover.upper()

    done = cover >> back
    assert isinstance(done, Step)
    assert list(worker.tasks) == ["local.cover", "local.back"]
    assert dag(draft=SEA) == "SEA"
    with pytest.raises(DefinitionError, match="is no task yet; put @worker"):
        Dag("nobody").task(lambda: 3)


def test_a_task_known_by_name_takes_what_its_parents_offer() -> None:
    nodes = dags.far.graph.nodes
    pdf_node, both = nodes["pdf"], nodes["bundle"]
    assert isinstance(pdf_node, TaskNode) and isinstance(both, TaskNode)  # noqa: PT018
    assert (pdf_node.inputs, both.inputs) == ({"draft": Ref("", "draft")}, {"pdf": Ref("pdf")})


def test_the_result_may_be_that_of_any_step(client: Client) -> None:
    dag = Dag("given", draft=Draft)
    first = dag.add(pdf)
    stamped = first >> dag.add(dags.stamp)
    dag.gives(first)
    assert client.submit(dag, draft=SEA).result() == dag(draft=SEA) == "sea.pdf"
    dag.gives(stamped)
    assert dag(draft=SEA) == "sea.pdf 3"


def circle(dag: Dag) -> None:
    first, second = dag.add(dags.stamp), dag.add(dags.stamp, name="pdf")
    _ = first >> second
    _ = second >> first


def clash(dag: Dag) -> None:
    _ = [dag.add(dags.sides), dag.add(pdf, name="front"), dag.add(pdf, name="back")] >> dag.add(dags.glue)


REFUSED: dict[str, tuple[Callable[[Dag], Any], str]] = {
    "a circle": (circle, "follow each other in a circle: (stamp >> pdf >> stamp|pdf >> stamp >> pdf)"),
    "a clash": (clash, r"glue\(shop.glue\): sides.front and front both offer 'front'; give one of the steps another"),
    "a missing name": (lambda d: d.add(dags.stamp), "nothing offers its parameter 'pdf'.*there is draft"),
    "a misspelt name": (
        lambda d: [d.add(pdf, name="pdff"), d.add(html)] >> d.add(bundle), "parameter 'pdf'.*did you mean 'pdff'"
    ),
    "another type": (lambda d: d.add(dags.chapters, name="pdf") >> d.add(dags.stamp), "takes str, and .* is list"),
    "no step": (lambda d: d.add(pdf).add_parents([pdf]), "is no step; add it first"),  # type: ignore[list-item]
    "no task": (lambda d: d.add(len), "is no task; a DAG is made of tasks"),
    "one name twice": (lambda d: (d.add(pdf), d.add(pdf)), "there is a step of the name 'pdf'; give this one another"),
    "the name of an input": (lambda d: d.add(pdf, name="draft"), "there is an input of the name 'draft'"),
    "a step of another": (lambda d: d.add(pdf) >> dags.both, "is of another DAG"),
    "a condition of another": (lambda d: d.add(pdf, when=dags.long), "is of another DAG"),
    "no bool": (lambda d: d.add(html, when=d.add(pdf)), "gives str; a condition is a step whose task gives a bool"),
    "not of no bool": (lambda d: ~d.add(pdf), "gives str; a condition is a step whose task gives a bool"),
    "and in words": (lambda d: d.add(dags.is_long) and d.add(pdf), "use & | ~ for and, or, not"),
    "a condition as a step": (lambda d: ~d.add(dags.is_long) >> d.add(pdf), "is a condition, and no step"),
    "an output outside": (lambda d: d.add(pdf).output, "is for machines"),
    "nothing": (lambda d: None, "dag small has no step; add a task"),
    "one field twice": (clash_of_fields, r"total\(shop.total\): numbers.one and more.one both offer 'one'"),
    "another type of a field": (
        lambda d: [d.add(pdf), d.add(dags.numbers)] >> d.add(dags.listing), "takes str, and <int from numbers.one>"
    ),
    "keys unknown": (
        lambda d: d.add(dags.loose) >> d.add(dags.listing), "which keys loose gives is not known before it runs"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_with_a_dag_is_said_with_the_place(what: str) -> None:
    write, text = REFUSED[what]
    dag = Dag("small", draft=Draft)
    with pytest.raises(DefinitionError) as raised:  # noqa: PT012  # some are refused where they are written
        write(dag)
        _ = dag.compiled
    assert re.search(text, str(raised.value)), raised.value


def test_a_long_chain_of_conditional_steps_is_built() -> None:
    length = 400
    dag = Dag("chain", draft=Draft)
    condition = dag.add(dags.is_long)
    step: Step[Any] = dag.add(dags.tidy, name="s0", when=condition)
    for number in range(1, length):
        step = step >> dag.add(dags.tidy, name=f"s{number}")
    assert isinstance(dag.graph.nodes[f"s{length - 1}"], BranchNode)
    assert dag(draft=SEA) is None
    assert dag(draft=Draft("sea", 9)) == "tidy"


# Random DAGs ---------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from(["pdf", "html", "either", "chapters", "tidy", "sides", "glue"]), st.integers(0, 255)),
    min_size=1,
    max_size=7,
)


def made(plan: list[tuple[str, int]], chance: random.Random) -> Dag:
    dag = Dag("random", draft=Draft)
    conditions: list[Step[bool]] = [dag.add(dags.is_long), dag.add(dags.is_even)]
    conditions += [~conditions[0], conditions[0] & conditions[1], ~conditions[1] | conditions[0]]
    added: list[Step[Any]] = []
    for number, (task, bits) in enumerate(plan):
        name = task if task in ("pdf", "html", "sides") and task not in dag.steps else f"{task}{number}"
        when = conditions[bits % 10] if bits % 10 < len(conditions) else None
        step: Step[Any] = dag.step(getattr(dags, task), name, when)
        wanted = {"either": ["pdf", "html"], "glue": ["sides"]}.get(task, [])
        parents = [each for each in added if each.name in wanted or chance.random() < 0.3]
        step.add_parents(parents)
        added.append(step)
    return dag


@settings(max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(plan=steps, seed=st.integers(0, 1000), pages=st.integers(0, 6))
def test_a_plain_call_and_a_run_of_a_random_dag_agree(
    client: Client, plan: list[tuple[str, int]], seed: int, pages: int
) -> None:
    dag, draft = made(plan, random.Random(seed)), Draft("sea", pages)
    try:
        _ = dag.compiled
    except TraceError as error:
        assert re.search("nothing offers|both offer", str(error)), error  # noqa: PT017
        return
    assert client.submit(dag, draft=draft).result(timeout=20) == dag(draft=draft)
