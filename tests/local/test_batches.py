"""Batches: single calls that share a call of one function."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import pytest

from tidemill import (
    Backend,
    Batch,
    Code,
    Context,
    DefinitionError,
    Depends,
    Failure,
    InvalidInputError,
    Proceed,
    RunCancelledError,
    RunFailedError,
    TaskCall,
    TransientError,
    Worker,
    injected,
    map_over,
    workflow,
)
from tidemill.testing.local import local


class Sizes:
    """How large the batches were."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def note(self, batch: Sequence[Any]) -> None:
        self.seen.append(len(batch))


def results(runs: list[Any]) -> list[Any]:
    """A result or the failure's message, one each."""
    found = []
    for run in runs:
        try:
            found.append(run.result())
        except RunFailedError as error:
            found.append(f"{error.code.value}: {error}".rpartition("failed: ")[2])
    return found


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_calls_are_gathered_up_to_the_size_and_each_has_its_own_result(kind: str) -> None:
    mill, sizes = Worker("mill"), Sizes()

    @mill.task("embed", batch=Batch(size=4, wait="5s"))
    def sync(texts: list[str]) -> list[list[float]]:
        sizes.note(texts)
        return [[float(len(text))] for text in texts]

    other = Worker("other")

    @other.task("embed", batch=Batch(size=4, wait=5))
    async def asyn(texts: list[str]) -> list[list[float]]:
        sizes.note(texts)
        await asyncio.sleep(0)
        return [[float(len(text))] for text in texts]

    embed = sync if kind == "sync" else asyn

    @workflow
    def all_of_them(texts: list[str]) -> list[list[float]]:
        return map_over(embed, texts)

    with local(mill, other) as client:
        runs = [client.submit(embed, "x" * length) for length in range(8)]
        assert [run.result() for run in runs] == [[float(length)] for length in range(8)]
        assert sizes.seen == [4, 4]
        assert client.submit(all_of_them, ["a", "bb", "ccc", "d"]).result() == [[1.0], [2.0], [3.0], [1.0]]
    assert sizes.seen == [4, 4, 4]
    assert embed("four") == [4.0]
    assert embed.fn(["a", "bb"]) == [[1.0], [2.0]] if kind == "sync" else True
    assert embed.definition.inputs["properties"] == {"texts": {"type": "string"}}
    assert embed.signature.text == "(texts: str) -> list[float]"


def test_a_batch_goes_when_the_first_has_waited_long_enough() -> None:
    mill, sizes = Worker("mill"), Sizes()

    @mill.task(batch=Batch(size=16, wait="20ms"))
    def double(xs: list[int]) -> list[int]:
        sizes.note(xs)
        return [2 * x for x in xs]

    with local(mill) as client:
        runs = [client.submit(double, x) for x in range(3)]
        assert [run.result() for run in runs] == [0, 2, 4]
    assert sum(sizes.seen) == 3


@pytest.mark.feature("A18")
def test_one_poisoned_element_fails_alone() -> None:
    mill, sizes = Worker("mill"), Sizes()

    @mill.task(batch=Batch(size=4, wait="5s"), retries=0)
    def named(kinds: list[str], numbers: list[int]) -> list[str | Exception | Failure]:
        sizes.note(kinds)
        if "poison" in kinds:
            raise ValueError("the whole function raises")
        given: list[str | Exception | Failure] = []
        for kind, number in zip(kinds, numbers, strict=True):
            match kind:
                case "error":
                    given.append(InvalidInputError(f"not {number}"))
                case "failure":
                    given.append(Failure(Code.RESOURCE, "no room"))
                case _:
                    given.append(f"{kind}{number}")
        return given

    with local(mill) as client:
        kinds = ["good", "error", "failure", "poison"]
        found = results([client.submit(named, kind, place) for place, kind in enumerate(kinds)])
    assert found[0] == "good0"
    assert "not 1" in found[1]
    assert "no room" in found[2]
    assert "ValueError: the whole function raises" in found[3]
    assert sizes.seen == [4, 2, 2, 1, 1]


def test_a_transient_error_is_everybodys_and_each_is_tried_again() -> None:
    mill, sizes = Worker("mill"), Sizes()

    @mill.task(batch=Batch(size=2, wait="5s"), retries=1)
    async def ask(xs: list[int]) -> list[int]:
        sizes.note(xs)
        if len(sizes.seen) == 1:
            raise TransientError("busy", retry_after=0.001)
        return xs

    with local(mill) as client:
        assert results([client.submit(ask, x) for x in range(2)]) == [0, 1]
    assert sizes.seen == [2, 2]


def test_a_wrong_number_of_elements_fails_all() -> None:
    mill = Worker("mill")

    @mill.task(batch=Batch(size=2, wait="5s"))
    def short(xs: list[int]) -> list[int]:
        return xs[:1]

    with local(mill) as client:
        for text in results([client.submit(short, x) for x in range(2)]):
            assert "the batch had 2 calls, and the task gave 1 elements" in text


def test_a_cancelled_attempt_leaves_the_batch_and_others_go_on() -> None:
    mill, seen, begun, go_on = Worker("mill"), list[list[int]](), threading.Event(), threading.Event()
    joined = threading.Event()

    @mill.middleware
    async def told(call: TaskCall, proceed: Proceed) -> Any:
        joined.set()
        return await proceed(call)

    @mill.task(batch=Batch(size=2, wait="5s"))
    async def double(xs: list[int]) -> list[int]:
        seen.append(xs)
        return [2 * x for x in xs]

    @mill.task(batch=Batch(size=2, wait="5s"))
    def slow(xs: list[int]) -> list[int]:
        begun.set()
        assert go_on.wait(10)
        return xs

    with local(mill) as client:
        first = client.submit(double, 1)
        assert joined.wait(10)
        first.cancel()
        with pytest.raises(RunCancelledError):
            first.result()
        runs = [client.submit(double, x) for x in (2, 3)]
        assert [run.result() for run in runs] == [4, 6]
        assert seen == [[2, 3]]

        held = [client.submit(slow, x) for x in (1, 2)]
        assert begun.wait(10)
        held[0].cancel()
        with pytest.raises(RunCancelledError):
            held[0].result()
        go_on.set()
        assert held[1].result() == 2


def test_a_timeout_is_that_of_one_attempt() -> None:
    mill, stopped = Worker("mill"), threading.Event()

    @mill.task(batch=Batch(size=2, wait=0), timeout=0.05, retries=0)
    async def stuck(xs: list[int]) -> list[int]:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return xs

    with local(mill) as client, pytest.raises(RunFailedError) as failed:
        client.submit(stuck, 1).result()
    assert failed.value.code is Code.TIMEOUT
    assert stopped.wait(10)  # nobody waits for it any more


def test_dependencies_are_for_the_batch_and_middleware_for_each_call() -> None:
    mill, made, calls = Worker("mill"), list[str](), list[int]()

    def model() -> Iterator[int]:
        made.append("made")
        yield 10
        made.append("closed")

    @mill.middleware
    async def counted(call: TaskCall, proceed: Proceed) -> Any:
        calls.append(call.inputs["xs"])
        return await proceed(call)

    @mill.task(batch=Batch(size=3, wait="5s"))
    def scaled(xs: list[int], *, by: Annotated[int, Depends(model)] = injected) -> list[int]:
        return [by * x for x in xs]

    with local(mill) as client:
        assert results([client.submit(scaled, x) for x in range(3)]) == [0, 10, 20]
        assert made == ["made", "closed"]
    assert sorted(calls) == [0, 1, 2]
    assert scaled(7) == 70


def wants_context(ctx: Context) -> int:
    return ctx.attempt


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (lambda w: w.task(batch=Batch(2))(no_list), "parameter x: a batch takes lists without defaults"),
        (lambda w: w.task(batch=Batch(2))(no_list_back), "a batch gives a list, one element for each call"),
        (lambda w: w.task(batch=Batch(2))(with_context), "a batch is of many attempts, so it has no Context"),
        (lambda w: w.task(batch=Batch(2))(with_attempt), "wants_context asks for what one attempt has"),
        (lambda w: w.task(batch=Batch(2), backend=Backend.PROCESS)(right), "gathered in the worker's process"),
        (lambda w: Batch(0), "holds 1 call or more"),
        (lambda w: Batch(2, wait="soon"), "is no length of time"),
        (lambda w: Batch(2, wait=-1), "cannot wait for -1"),
    ],
)
def test_a_batch_that_cannot_be_gathered_is_refused_at_import(declare: Any, text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        declare(Worker("mill"))


def right(xs: list[int]) -> list[int]:
    return xs


def no_list(x: int) -> list[int]:
    return [x]


def no_list_back(xs: list[int]) -> int:
    return len(xs)


def with_context(ctx: Context, xs: list[int]) -> list[int]:
    return xs


def with_attempt(xs: list[int], *, number: Annotated[int, Depends(wants_context)] = injected) -> list[int]:
    return xs


def test_a_worker_that_holds_too_few_attempts_says_so_at_its_start() -> None:
    mill = Worker("mill", pools={"gpu": 4})
    mill.task("embed", pool="gpu", batch=Batch(8))(right)
    from tidemill.core.definitions import Pools
    from tidemill.worker.slots import check_batches

    with pytest.raises(DefinitionError, match=r"mill\.embed gathers 8 calls, and its worker holds 4 at once"):
        check_batches(mill.tasks.values(), Pools(100, {"gpu": 4}))
    check_batches(mill.tasks.values(), Pools(100, {"gpu": 8}))
