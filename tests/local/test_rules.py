"""Limits, recorded results and back-off, as a user of a task meets them."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from tidemill import Backoff, Cache, DefinitionError, RateLimit, RunFailedError, TransientError, Worker, workflow
from tidemill.client.blocking import Client
from tidemill.core.graph import TaskNode
from tidemill.testing.local import local

mill = Worker("mill")
calls = Counter[str]()
at_once, most_at_once = Counter[str](), Counter[str]()
lock = threading.Lock()


@mill.task(cache=timedelta(hours=1))
def grind(corn: str, grams: int = 5) -> str:
    calls[corn] += 1
    return f"{grams} g of {corn}"


@mill.task
def sieve(corn: str) -> str:
    calls[corn] += 1
    return corn


@mill.task(concurrency_key="miller.name", concurrency=2)
def carry(miller: dict[str, str]) -> str:
    name = miller["name"]
    with lock:
        at_once[name] += 1
        most_at_once[name] = max(most_at_once[name], at_once[name])
    threading.Event().wait(0.02)
    with lock:
        at_once[name] -= 1
    return name


@mill.task(rate_limit=RateLimit(100, per=timedelta(seconds=1)), retries=2, backoff=Backoff(first=0.01, most=0.01))
def stubborn(name: str) -> int:
    calls[name] += 1
    if calls[name] < 3:
        raise TransientError("not yet")
    return calls[name]


@pytest.mark.feature("A17")
def test_a_result_is_used_again_for_the_same_input_and_version_only() -> None:
    with local(mill) as client:
        assert client.submit(grind, "rye").result(10) == "5 g of rye"
        assert client.submit(grind, "rye", grams=5).result(10) == "5 g of rye"
        assert client.submit_named("mill.grind", {"corn": "rye"}).result(10) == "5 g of rye"
        assert calls["rye"] == 1
        assert client.submit(grind, "rye", 6).result(10) == "6 g of rye"
        newer = grind.options(cache=Cache(timedelta(hours=1), version="2"))
        assert client.submit(newer, "rye").result(10) == "5 g of rye"
        assert client.submit(newer, "rye").result(10) == "5 g of rye"
        assert calls["rye"] == 3


@pytest.mark.feature("A17")
def test_nothing_is_used_again_unless_its_task_says_so() -> None:
    with local(mill) as client:
        for _ in range(3):
            client.submit(sieve, "oats").result(10)
        for _ in range(3):
            client.options(cache=60).submit(sieve, "barley").result(10)
    assert (calls["oats"], calls["barley"]) == (3, 1)


def test_each_value_of_the_key_runs_no_more_than_its_share_at_once() -> None:
    with local(mill) as client:
        runs = client.submit_many(carry, [{"miller": {"name": name}} for name in ["ann", "bob"] * 10])
        assert sorted({run.result(30) for run in runs}) == ["ann", "bob"]
    assert most_at_once == {"ann": 2, "bob": 2}


def test_the_options_of_a_submission_stand_above_those_of_the_task(client_of_mill: Client) -> None:
    assert client_of_mill.submit(stubborn, "one").result(10) == 3
    impatient = client_of_mill.options(retries=0)
    with pytest.raises(Exception, match="not yet"):
        impatient.submit(stubborn.options(retries=5), "two").result(10)


@pytest.fixture
def client_of_mill() -> "Client":
    with local(mill) as client:
        yield client


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"concurrency": 0}, "concurrency counts attempts at once, from 1, not 0"),
        ({"concurrency_key": "who"}, "the limit's key 'who' names no parameter; there is x"),
        ({"rate_limit": RateLimit(0)}, "a rate is a count from 1"),
        ({"rate_limit": RateLimit(1, key="y.z")}, "the limit's key 'y.z' names no parameter"),
        ({"backoff": Backoff(5, 1)}, "a back-off goes from `first` up to `most`"),
        ({"cache": 0}, "stands for a length of time above zero"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_where_it_is_written(options: dict[str, object], said: str) -> None:
    other = Worker("other")
    with pytest.raises((DefinitionError, ValueError), match=said):

        @other.task(**options)  # type: ignore[call-overload]
        def one(x: int) -> int:
            return x


dear = Worker("dear", cost=2.0)


@dear.task(retries=4, timeout=50, priority=1, max_cost=3.0)
def once(x: int) -> int:
    raise TransientError(f"{x} is not ready", retry_after=0)


@workflow
def at_a_node(x: int) -> int:
    return once.options(retries=2, backoff=Backoff(first=0, most=0))(x)


def tries(client: Client, *submitted: Any) -> int:
    run = client.submit(*submitted)
    with pytest.raises(RunFailedError, match="not ready"):
        run.result(20)
    return len(run.attempts())


@pytest.mark.feature("A23")
def test_the_submission_stands_above_the_use_and_that_above_the_task() -> None:
    quick = Backoff(first=0, most=0)
    with local(dear) as client:
        assert tries(client.options(backoff=quick), once, 1) == 5
        assert tries(client.options(backoff=quick), once.options(retries=1), 1) == 2
        assert tries(client.options(backoff=quick, retries=0), once.options(retries=1), 1) == 1
        assert tries(client, at_a_node, 1) == 3


@pytest.mark.feature("A23")
def test_what_one_place_does_not_say_is_left_to_the_next() -> None:
    with local(dear) as client:
        run = client.options(priority=7, retries=0, timeout=9).submit(once.options(max_cost=2.5), 1)
        with pytest.raises(RunFailedError):
            run.result(20)
        [node] = run.graph().workflow.body.nodes.values()
        assert isinstance(node, TaskNode)
        assert (node.options.retries, node.options.timeout_s) == (0, 9.0)
        assert node.options.requires is not None
        assert node.options.requires.max_cost == 2.5
        assert run.view().priority == 7
        with pytest.raises(RunFailedError, match="no worker took it"):
            client.submit(too_dear).result(20)


@dear.task(max_cost=1.0, queue_timeout=0.05)
def too_dear() -> int:
    return 1
