"""What a worker does once, before its first attempt and after its last."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import pytest

from tests.local.conftest import Events
from tidemill import (
    DefinitionError,
    Depends,
    File,
    Scope,
    Worker,
    injected,
)
from tidemill.testing.local import local
from tidemill.worker.hooks import StartFailedError


@pytest.mark.feature("A10")
def test_hooks_run_once_around_all_attempts() -> None:
    mill, other, events = Worker("mill"), Worker("other"), Events()

    def resource() -> Iterator[str]:
        events("made")
        yield "it"
        events("torn down")

    @mill.on_start
    async def first() -> None:
        await asyncio.sleep(0)
        events("first")

    @mill.on_start
    def second() -> None:
        events("second")

    @other.on_start
    def third() -> None:
        events("third")

    @mill.on_stop
    async def last() -> None:
        events("last")

    @mill.on_stop
    def before() -> None:
        events("before")
        raise OSError("stuck")

    @mill.task
    async def use(*, it: Annotated[str, Depends(resource, scope=Scope.WORKER)] = injected) -> str:
        events("used")
        return it

    with local(mill, other) as client:
        assert [client.submit(use).result() for _ in range(2)] == ["it", "it"]
    started = ["first", "second", "third", "made", "used", "used"]
    assert events.seen == [*started, "torn down", "before", "last"]


@pytest.mark.feature("A10")
def test_a_start_that_fails_ends_the_worker_with_its_reason() -> None:
    mill = Worker("mill")

    @mill.on_start
    def open_card() -> None:
        raise LookupError("no such card")

    @mill.task
    def use(file: File) -> None: ...

    text = "the worker mill did not start: its on_start open_card failed with LookupError: no such card"
    with pytest.raises(StartFailedError, match=text), local(mill):
        raise AssertionError


def test_a_hook_that_wants_arguments_is_refused() -> None:
    mill = Worker("mill")
    with pytest.raises(DefinitionError, match="on_start open_card is called without arguments, and wants number"):

        @mill.on_start  # type: ignore[arg-type]
        def open_card(number: int) -> None: ...


@pytest.mark.feature("A10")
def test_what_a_worker_keeps_is_lost_with_it() -> None:
    mill = Worker("mill")

    class Counter:
        seen = 0

    @mill.task
    def count(*, counter: Annotated[Counter, Depends(Counter, scope=Scope.WORKER)] = injected) -> int:
        counter.seen += 1
        return counter.seen

    for _ in range(2):
        with local(mill) as client:
            assert [client.submit(count).result() for _ in range(3)] == [1, 2, 3]
