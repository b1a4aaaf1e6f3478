"""Users' own workflows in the simulated world."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest

from tests.simulation.shop import (
    Bank,
    ask_for_price,
    carry,
    charge_badly,
    confirmed,
    count_to,
    draw,
    kept,
    open_bank,
    order,
    price,
    shop,
)
from tidemill import Depends, Worker, injected
from tidemill.core.errors import InputError
from tidemill.sdk.errors import RunCancelledError, RunFailedError
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulate import End, SimulationFailedError, simulate

ROOT = Path(__file__).parent.parent.parent
ITEMS = ["tea", "milk", "sugar"]


@contextmanager
def bank_of():
    bank = Bank()
    with shop.overrides({open_bank: lambda: bank}):
        yield bank


@pytest.mark.feature("F13", "N4")
@pytest.mark.parametrize("first", range(0, 20, 5))
def test_an_order_is_right_and_charged_once_whatever_happens(first):
    for seed in range(first, first + 5):
        with bank_of() as bank, simulate(order, shop, seed=seed).run(ITEMS) as found:
            assert found.result == 12
            assert list(bank.charges.values()) == [12]
            assert found.begun["shop.charge"] == sum(bank.asked.values())
            assert found.took_s > 3600


@pytest.mark.parametrize(
    ("what", "given", "result"),
    [(carry, 20_000, 100_000), (kept, 70_000, 70_000), (ask_for_price, "tea", 3), (count_to, 4, [0, 1, 2, 3])],
)
def test_large_values_files_children_and_streams_are_simulated(what, given, result):
    for found in simulate(what, shop).explore(range(4), given):
        assert found.result == result


def test_dependencies_and_middleware_of_both_kinds_are_simulated():
    for found in simulate(mixed, around).explore(range(3), 20):
        assert found.result == 23
    for found in simulate(plain, around).explore(range(3), 20):
        assert found.result == 23


def test_a_story_sends_what_the_workflow_waits_for():
    async def story(client):
        run = await client.submit(confirmed, "tea")
        await asyncio.sleep(7200)
        await run.signal("go", 5)
        return await run.result()

    for seed in range(5):
        with bank_of() as bank:
            assert simulate(story, shop, seed=seed, faults=[Kind.KILL, Kind.CUT]).run().result == 5
            assert list(bank.charges.values()) == [5]


def test_how_a_run_ended_is_told():
    async def story(client):
        run = await client.submit(confirmed, "tea")
        await run.cancel("not wanted")
        return await run.result()

    found = simulate(story, shop, faults=0).run()
    assert found.end is End.CANCELLED
    with pytest.raises(RunCancelledError):
        found.result  # noqa: B018
    late = simulate(confirmed, shop, faults=0).run("tea")
    assert (late.end, late.took_s > 24 * 3600) == (End.FAILED, True)
    with pytest.raises(RunFailedError, match="go"):
        late.result  # noqa: B018


def test_a_seed_is_the_same_run_and_another_seed_is_another():
    def run(seed):
        with bank_of():
            return simulate(order, shop, seed=seed).run(ITEMS)

    first, again, other = run(3), run(3), run(4)
    assert first.digest == again.digest != other.digest
    assert first.trace == again.trace
    assert str(first.faults) == str(again.faults)


def digests():
    with bank_of():
        return [simulate(order, shop, seed=seed).run(ITEMS).digest for seed in range(2)]


def test_a_seed_is_the_same_run_under_any_hash_seed():
    script = "from tests.simulation.test_simulate import digests; print(*digests())"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=env | {"PYTHONHASHSEED": each},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout.split()
        for each in ("1", "2")
    ]
    assert told[0] == told[1] == [digest.encode() for digest in digests()]


def test_chance_and_time_of_tasks_come_from_the_seed():
    one, again, other = (simulate(draw, shop, seed=seed, faults=0).run().result for seed in (1, 1, 2))
    assert one == again
    assert all(mine != its for mine, its in zip(one, other, strict=True))
    before = time.time()
    assert before <= time.time() < before + 1000  # the real one is back


def test_an_effect_without_a_key_is_found_and_the_error_says_how_to_see_it_again():
    bank = Bank()

    def once(found):
        charges, bank.charges = bank.charges, {}
        assert found.result == 7
        assert sum(charges.values()) == 7, "charged twice"

    with shop.overrides({open_bank: lambda: bank}):
        simulation = simulate(charge_badly, shop, faults=[Kind.KILL], check=once)
        with pytest.raises(AssertionError, match="charged twice") as caught:
            simulation.explore(range(100), 7)
        line = next(each for each in caught.value.__notes__[0].splitlines() if "simulate(" in each)
        assert line.count("Fault(") == 1
        names = {"simulate": simulate, "charge_badly": charge_badly, "shop": shop, "Fault": Fault, "Kind": Kind}
        bank.charges = {}
        eval(line.strip(), names)
        assert sum(bank.charges.values()) == 14


def test_faults_are_a_number_kinds_or_a_plan():
    with bank_of():
        assert simulate(order, shop, seed=1, faults=0).run(ITEMS).faults == []
        some = [simulate(order, shop, seed=seed, faults=[Kind.DROP]).run(ITEMS).faults for seed in range(6)]
        assert {fault.kind for faults in some for fault in faults} == {Kind.DROP}
        plan = [
            Fault(2.0, Kind.KILL, "worker-1"),
            Fault(3.0, Kind.POWER, "server"),
            Fault(5.0, Kind.CUT, "worker-2", 30.0),
        ]
        found = simulate(order, shop, faults=plan).run(ITEMS)
        assert found.faults == plan
        assert "worker-1  is killed" in str(found)
        assert "server    loses its power" in str(found)
        assert "fault: cut for 30 s" in str(found)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (-1, "from 0 up"),
        (True, "from 0 up"),
        (["kill"], "no Fault"),
        ([Fault(1.0, Kind.KILL, "laptop")], "server, worker-1, worker-2"),
    ],
)
def test_faults_that_cannot_be_are_refused(faults, said):
    with pytest.raises(InputError, match=said):
        simulate(order, shop, faults=faults)


def test_what_cannot_be_simulated_is_refused_with_what_to_do():
    other = Worker("other")
    other.program("shout", command=["tr", "a-z", "A-Z"])(_shout)
    with pytest.raises(InputError, match=r"other\.shout is a program"):
        simulate(order, shop, other)
    with pytest.raises(InputError, match=r"nobody serves shop\.charge, .*give its Worker"):
        simulate(order)


def _shout(text: str) -> str: ...


around = Worker("around")


@around.middleware
async def later(call, proceed):
    await asyncio.sleep(60)
    return await proceed(call) + 1


@around.middleware
def slowly(call, proceed):
    time.sleep(60)
    return proceed(call) + 1


async def async_one():
    await asyncio.sleep(60)
    yield 1
    await asyncio.sleep(1)


def sync_one():
    return 1


@around.task
def plain(n: int, *, one: Annotated[int, Depends(async_one)] = injected) -> int:
    time.sleep(60)
    return n + one


@around.task
async def mixed(n: int, *, one: Annotated[int, Depends(sync_one)] = injected) -> int:
    return n + await asyncio.to_thread(lambda: time.sleep(60) or one)


wrong = Worker("wrong")


@wrong.task
def call_home() -> str:
    import socket

    socket.create_connection(("127.0.0.1", 9))
    return ""


@wrong.task
def run_program() -> str:
    return subprocess.check_output(["true"]).decode()


@wrong.task
async def nap() -> str:
    time.sleep(1)
    return ""


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (call_home, r"the task wrong.call_home opened a socket .*`Depends`"),
        (run_program, "the task wrong.run_program started a program"),
        (nap, "the task wrong.nap slept: .*`await asyncio.sleep`"),
    ],
)
def test_a_task_that_touches_the_real_world_is_told_apart(what, said):
    with pytest.raises(SimulationFailedError, match=said) as caught:
        simulate(what, wrong, faults=0).run()
    assert f"simulate({what.__name__}, wrong, seed=0, faults=0).run()" in str(caught.value)


def test_without_the_server_parts_it_says_what_to_install():
    script = "import sys; sys.modules['apsw'] = None; import tidemill.testing.simulate"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert 'pip install "tidemill[server]"' in done.stderr


def test_a_check_looks_at_each_run():
    seen = []
    simulate(price, shop, check=seen.append).explore(range(3), "tea")
    assert [found.result for found in seen] == [3, 3, 3]
    assert next(call.inputs for call in seen[0].calls_of(price)) == {"item": "tea"}
