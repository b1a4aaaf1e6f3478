"""The cost law: what an event costs does not grow with the map, the backlog or the number of runs."""

import pytest
from msgspec.structs import replace

from tests.engine.bench import Bench, lone, looped, mapped, successes
from tidemill.core.events import PauseRequested, RunSubmitted
from tidemill.core.rules import SubmitRule
from tidemill.ports.store import Counts


async def cost_per_element(bench: Bench, length: int) -> list[Counts]:
    """The cost of a success that opens and leases the next element, in the middle of a map."""
    graph = await bench.publish(mapped(window=4))
    turn = await bench.decide(bench.submission(graph, xs=list(range(length))))
    waiting = list(successes(turn))
    costs = []
    for done in range(length - 4):
        cost, turn = await bench.measured(waiting.pop(0))
        waiting += successes(turn)
        if done >= length // 2:
            costs.append(cost)
        if len(costs) == 20:
            break
    return costs


@pytest.mark.parametrize("length", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_an_element_costs_the_same_in_a_map_of_100_and_of_many_more(bench: Bench, length: int) -> None:
    small = await cost_per_element(bench, 100)
    large = await cost_per_element(bench, length)
    assert {(cost.statements, cost.rows_written) for cost in small} == {
        (cost.statements, cost.rows_written) for cost in large
    }
    few, many = (max(cost.vm_steps for cost in costs) for costs in (small, large))
    assert many <= few * 1.05


@pytest.mark.parametrize("rounds", [300, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_a_round_costs_the_same_at_the_beginning_of_a_loop_and_after_many(bench: Bench, rounds: int) -> None:
    """The cost of a success that ends a round, judges it, and opens and leases the next."""
    graph = await bench.publish(looped(limit=rounds + 10))
    turn = await bench.decide(bench.submission(graph, x=1))
    costs = []
    for _ in range(rounds):
        (success,) = successes(turn)
        cost, turn = await bench.measured(success)
        costs.append(cost)
    first, last = costs[2:12], costs[-10:]
    assert {(cost.statements, cost.rows_written) for cost in (*first, *last)} == {
        (first[0].statements, first[0].rows_written)
    }
    assert max(cost.vm_steps for cost in last) <= max(cost.vm_steps for cost in first) * 1.05


async def test_a_submission_costs_the_same_with_1_run_and_with_2000(bench: Bench) -> None:
    graph = await bench.publish(lone())
    await bench.decide(bench.submission(graph, x=1))
    first, _ = await bench.measured(bench.submission(graph, x=1))
    for _ in range(20):
        await bench.decide(*[bench.submission(graph, x=1) for _ in range(100)])
    last, _ = await bench.measured(bench.submission(graph, x=1))
    assert (first.statements, first.rows_written) == (last.statements, last.rows_written)
    assert last.vm_steps <= first.vm_steps * 1.05


@pytest.mark.parametrize(
    ("claims", "queued"), [(1, 10_000), (10, 10_000), pytest.param(1, 100_000, marks=pytest.mark.slow)]
)
async def test_a_claim_costs_the_same_with_100_and_with_many_queued(bench: Bench, claims: int, queued: int) -> None:
    graph = await bench.publish(lone())

    async def queue(count: int) -> None:
        for start in range(0, count, 500):
            batch = [bench.submission(graph, x=1) for _ in range(min(500, count - start))]
            await bench.decide(*batch, credit=0)

    await queue(100)
    await bench.decide(credit=claims)
    few, turn = await bench.measured(credit=claims)
    assert len(turn.leases) == claims
    await queue(queued)
    many, turn = await bench.measured(credit=claims)
    assert len(turn.leases) == claims
    assert (few.statements, few.rows_written) == (many.statements, many.rows_written)
    assert many.vm_steps <= few.vm_steps * 1.05


async def test_joining_a_map_costs_the_same_for_10_and_for_900_elements(bench: Bench) -> None:
    graph = await bench.publish(mapped(window=1000))
    ends = []
    for length in (10, 900):
        turn = await bench.decide(bench.submission(graph, xs=list(range(length))))
        *all_but_last, last = successes(turn)
        await bench.decide(*all_but_last)
        cost, turn = await bench.measured(last)
        assert [outcome.run.status for outcome in turn.outcomes] == ["succeeded"]
        ends.append((cost.statements, cost.rows_written))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("keys", [1, 2_000])
async def test_a_submission_with_a_key_costs_the_same_with_1_key_and_with_2000(bench: Bench, keys: int) -> None:
    graph = await bench.publish(lone())

    def keyed(key: str) -> RunSubmitted:
        return replace(bench.submission(graph, x=1), rule=SubmitRule(key=key, lifetime=1))

    await bench.decide(bench.submission(graph, x=1), keyed("warm"), credit=0)
    first, _ = await bench.measured(keyed("first"), credit=0)
    for start in range(0, keys, 100):
        await bench.decide(*[keyed(str(start + each)) for each in range(min(100, keys))], credit=0)
    last, _ = await bench.measured(keyed("last"), credit=0)
    again, turn = await bench.measured(keyed("last"), credit=0)
    assert (first.statements, first.rows_written) == (last.statements, last.rows_written)
    assert last.vm_steps <= first.vm_steps * 1.05
    assert again.rows_written == 0
    assert not turn.runs()


async def test_a_pause_costs_the_same_for_10_and_for_2000_queued_steps_until_its_bites(bench: Bench) -> None:
    graph = await bench.publish(mapped(window=2_000))
    costs, bites = [], []
    for length in (10, 2_000):
        submitted = bench.submission(graph, xs=list(range(length)))
        await bench.decide(submitted, credit=0)
        while (await bench.due()).orders:  # long maps open in bites, too
            pass
        cost, _ = await bench.measured(PauseRequested(submitted.run), credit=0)
        costs.append((cost.statements, cost.rows_written))
        bites.append([count async for count in bench.bites(submitted.run)])
    assert costs[0] == costs[1]
    assert bites == [[10], [500, 500, 500, 500, 0]]
