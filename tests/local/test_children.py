"""A task calls tasks and workflows: through the real engine, store and API."""

import threading

import pytest

from tidemill import Context, Needs, PermanentError, Worker, map_over, workflow
from tidemill.client.blocking import Client
from tidemill.sdk.errors import RunCancelledError, RunFailedError
from tidemill.testing.local import local

mill = Worker("mill")
tries = {"flaky": 0}
waiting = threading.Event()


@mill.task
async def square(x: int) -> int:
    return x * x


@mill.task
def cube(ctx: Context, x: int) -> int:
    return x * ctx.submit(square, x).result()


@workflow
def squares(xs: list[int]) -> list[int]:
    return map_over(square, xs)


@mill.task
async def total(ctx: Context, xs: list[int]) -> int:
    return sum(await ctx.submit(squares, xs))


@mill.task
def deep(ctx: Context, left: int) -> int:
    return 1 + ctx.submit(deep, left - 1).result() if left else 0


@mill.task
def odd(x: int) -> int:
    if x % 2 == 0:
        raise PermanentError(f"{x} is even")
    return x


@mill.task
def careful(ctx: Context, x: int) -> str:
    try:
        return str(ctx.submit(odd, x).result())
    except RunFailedError as error:
        return error.message


@mill.task
def careless(ctx: Context, x: int) -> int:
    return ctx.submit(odd, x).result()


@mill.task
def endless(ctx: Context) -> None:
    waiting.set()
    while not ctx.cancelled:
        threading.Event().wait(0.005)
    ctx.raise_if_cancelled()


@mill.task
def patient(ctx: Context) -> None:
    ctx.submit(endless).result()


def test_a_task_calls_another_and_waits_for_it() -> None:
    with local(mill) as client:
        run = client.submit(cube, 3)
        assert run.result(10) == 27
        [child] = client.runs(parent=run.id).runs
        assert (child.workflow, child.parent, child.status) == ("mill.square", run.id, "succeeded")


@pytest.mark.feature("A16")
def test_it_needs_no_slot_while_it_waits() -> None:
    with local(mill, concurrency=1) as client:
        assert client.submit(cube, 3).result(10) == 27
        assert client.submit(deep, 5).result(20) == 5
        assert client.submit(total, [1, 2, 3]).result(10) == 14


def test_a_task_may_start_a_workflow() -> None:
    with local(mill) as client:
        assert client.submit(total, [1, 2, 3]).result(10) == 14


def test_a_child_that_fails_raises_where_it_is_waited_for() -> None:
    with local(mill) as client:
        assert client.submit(careful, 3).result(10) == "3"
        assert client.submit(careful, 4).result(10) == "4 is even"
        with pytest.raises(RunFailedError, match="4 is even") as caught:
            client.submit(careless, 4).result(10)
        assert caught.value.code.value == "permanent"
        assert str(caught.value).endswith("4 is even (permanent)"), "the code is said once"
        assert str(caught.value).count("(permanent)") == 1


def test_children_are_cancelled_with_their_parent() -> None:
    with local(mill) as client:
        run = client.submit(patient)
        assert waiting.wait(10)
        run.cancel("enough")
        with pytest.raises(RunCancelledError):
            run.result(20)
        [child] = client.runs(parent=run.id).runs
        with pytest.raises(RunCancelledError, match="the run that started it has ended"):
            client.run(child.id).result(20)


def test_a_task_that_starts_itself_comes_to_an_end() -> None:
    with local(mill) as client, pytest.raises(RunFailedError, match="at most 16 runs above it"):
        client.submit(deep, 20).result(30)


def test_called_plainly_the_child_just_runs() -> None:
    assert cube(3) == 27


def test_arguments_that_do_not_fit_are_refused_where_they_are_given(client: Client) -> None:
    with pytest.raises(RunFailedError, match="too"):
        client.submit(confused).result(10)


@mill.task
def confused(ctx: Context) -> int:
    return ctx.submit(square).result()  # type: ignore[call-arg]


@pytest.fixture
def client() -> "Client":
    with local(mill) as client:
        yield client


card = Worker("card", resources={"cpus": 4, "ram": "8GiB", "gpus": [{"id": "0", "vram": "8GiB"}]})
order: list[str] = []


@card.task(needs=Needs(vram="8GiB"))
def paint(x: int) -> int:
    order.append(f"paint {x}")
    return x + 1


@card.task(needs=Needs(vram="6GiB"))
def gallery(ctx: Context, x: int) -> int:
    first = ctx.submit(paint, x).result()
    order.append(f"back {x}")
    assert ctx.granted.gpus == ("0",)
    return ctx.submit(paint, first).result()


@pytest.mark.feature("A16")
def test_a_task_that_waits_holds_no_vram_and_has_it_again_when_it_goes_on() -> None:
    order.clear()
    with local(card, concurrency=4) as client:
        assert client.submit(gallery, 1).result(20) == 3
        assert order == ["paint 1", "back 1", "paint 2"]
        runs = [client.submit(gallery, x) for x in (10, 20)]
        assert [run.result(20) for run in runs] == [12, 22]
