"""Middleware: around each call, in a plain call as in a worker."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest

from tests.local.conftest import Events, Run
from tidemill import (
    Code,
    DefinitionError,
    Depends,
    Proceed,
    ProceedSync,
    RunCancelledError,
    RunFailedError,
    TaskCall,
    TransientError,
    Worker,
    injected,
)
from tidemill.testing.local import local


async def again(call: TaskCall, proceed: Proceed) -> Any:
    """Middleware that tries once more, with another input."""
    try:
        return await proceed(call)
    except ValueError:
        return await proceed(call.with_inputs(x=call.inputs["x"] + 10))


@pytest.mark.feature("A11")
def test_middleware_goes_around_in_order_sees_all_and_changes_it(run_of: Callable[[Worker], Run]) -> None:
    mill, events = Worker("mill"), Events()

    @mill.middleware
    def noted(call: TaskCall, proceed: ProceedSync) -> Any:
        events(f"{call.task.name}({call.inputs['x']})")
        result = proceed(call)
        events(f"= {result}")
        return result

    @mill.middleware
    async def doubled(call: TaskCall, proceed: Proceed) -> Any:
        return 2 * await proceed(call)

    def check(x: int) -> int:
        events(f"try {x}")
        if x < 10:
            raise ValueError("too small")
        return x

    @mill.task(middleware=[again])
    def sync(x: int) -> int:
        return check(x)

    @mill.task("async", middleware=[again])
    async def asyn(x: int) -> int:
        return check(x)

    @mill.task
    def bare(x: int) -> int:
        return x

    run = run_of(mill)
    assert run(sync, 1) == run(asyn, 1) == 22
    tries = ["try 1", "try 11", "= 22"]
    assert events.seen == ["mill.sync(1)", *tries, "mill.async(1)", *tries]
    events.seen.clear()
    assert run(bare, 4) == 8
    assert events.seen == ["mill.bare(4)", "= 8"]


def test_each_time_that_middleware_proceeds_has_its_own_dependencies(run_of: Callable[[Worker], Run]) -> None:
    mill, events = Worker("mill"), Events()

    def place() -> Iterator[str]:
        events("entered")
        try:
            yield "place"
        finally:
            events("left")

    @mill.task(middleware=[again])
    async def check(x: int, *, place: Annotated[str, Depends(place)] = injected) -> str:
        events(f"try {x}")
        if x < 10:
            raise ValueError("too small")
        return place

    assert run_of(mill)(check, 1) == "place"
    assert events.seen == ["entered", "try 1", "left", "entered", "try 11", "left"]


def test_middleware_sees_the_error_and_may_give_another_or_a_result() -> None:
    mill = Worker("mill")

    @mill.middleware
    async def softened(call: TaskCall, proceed: Proceed) -> Any:
        try:
            return await proceed(call)
        except KeyError:
            return "instead"
        except ZeroDivisionError as error:
            raise TransientError(f"{call.context.task}: later") from error

    @mill.task
    async def hard(how: str) -> str:
        return {}[how] if how == "missing" else str(1 / 0)

    with local(mill) as client:
        assert client.submit(hard, "missing").result() == "instead"
        with pytest.raises(RunFailedError, match=r"mill\.hard: later") as failed:
            client.options(retries=0).submit(hard, "nothing").result()
    assert failed.value.code is Code.TRANSIENT


def test_a_cancel_goes_through_middleware_of_both_kinds_to_the_task() -> None:
    mill, events, begun = Worker("mill"), Events(), threading.Event()

    @mill.middleware
    def outer(call: TaskCall, proceed: ProceedSync) -> Any:
        try:
            return proceed(call)
        finally:
            events("outer left")

    @mill.middleware
    async def inner(call: TaskCall, proceed: Proceed) -> Any:
        try:
            return await proceed(call)
        finally:
            events("inner left")

    @mill.task
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # what it has to tidy takes a while, and all wait for that
            events("task left")

    with local(mill) as client:
        run = client.submit(wait)
        assert begun.wait(10)
        run.cancel()
        with pytest.raises(RunCancelledError):
            run.result()
    assert events.seen == ["task left", "inner left", "outer left"]


def test_middleware_of_a_stream_is_given_its_iterator(run_of: Callable[[Worker], Run]) -> None:
    mill = Worker("mill")

    @mill.middleware
    async def louder(call: TaskCall, proceed: Proceed) -> Any:
        return (word.upper() for word in await proceed(call))

    @mill.stream
    def words(text: str) -> Iterator[str]:
        yield from text.split()

    assert run_of(mill)(words, "a bc") == ["A", "BC"]


def test_middleware_that_yields_is_refused() -> None:
    mill = Worker("mill")
    with pytest.raises(DefinitionError, match="middleware wrong yields"):

        @mill.middleware
        def wrong(call: TaskCall, proceed: ProceedSync) -> Iterator[Any]:
            yield proceed(call)


def test_what_middleware_and_factories_log_is_kept_with_the_attempt() -> None:
    mill = Worker("mill")

    async def make() -> str:
        logging.getLogger("mill").warning("made on the loop")
        return "it"

    @mill.middleware
    async def told(call: TaskCall, proceed: Proceed) -> Any:
        logging.getLogger("mill").warning("around")
        return await proceed(call)

    @mill.task
    def use(*, it: Annotated[str, Depends(make)] = injected) -> str:
        return it

    with local(mill) as client:
        run = client.submit(use)
        assert run.result() == "it"
        assert {line.text for line in run.logs()} >= {"made on the loop", "around"}
