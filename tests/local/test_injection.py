"""Dependencies: the same in a plain call and in a worker."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest

from tests.local.conftest import Events, Run
from tidemill import (
    Code,
    Context,
    DefinitionError,
    Depends,
    RunCancelledError,
    RunFailedError,
    Scope,
    TaskFiles,
    TransientError,
    Worker,
    injected,
)
from tidemill.testing.local import local


class Db:
    def __init__(self, url: str) -> None:
        self.url = url


def test_nested_factories_of_each_kind_are_torn_down_in_reverse(run_of: Callable[[Worker], Run]) -> None:
    mill, events = Worker("mill"), Events()

    async def settings(*, files: TaskFiles = injected) -> str:
        await files.awrite("url", "sea")
        return await files.aread_text("url")

    def pool(ctx: Context, *, url: Annotated[str, Depends(settings)] = injected) -> Iterator[str]:
        events(f"pool of {ctx.task}")
        yield f"{url}-pool"
        events("pool closed")

    async def open_db(suffix: str, *, pool: Annotated[str, Depends(pool)] = injected) -> AsyncIterator[Db]:
        await asyncio.sleep(0)
        events("db")
        yield Db(pool + suffix)
        await asyncio.sleep(0)
        events("db closed")

    @mill.task
    def sync(x: int, *, db: Annotated[Db, Depends(open_db, "!")] = injected) -> str:
        return f"{x}{db.url}"

    @mill.task("async")
    async def asyn(x: int, *, db: Annotated[Db, Depends(open_db, "?")] = injected) -> str:
        return f"{x}{db.url}"

    @mill.stream
    def items(*, db: Annotated[Db, Depends(open_db, "/")] = injected) -> Iterator[str]:
        yield db.url
        events("streamed")

    @mill.stream
    async def aitems(*, db: Annotated[Db, Depends(open_db, "/")] = injected) -> AsyncIterator[str]:
        yield db.url
        events("streamed")

    run = run_of(mill)
    assert run(sync, 1) == "1sea-pool!"
    assert run(asyn, 2) == "2sea-pool?"
    assert run(items) == run(aitems) == ["sea-pool/"]
    one = ["pool of mill.{}", "db", "db closed", "pool closed"]
    streamed = [*one[:2], "streamed", *one[2:]]
    expected = [
        text.format(name)
        for name, texts in {"sync": one, "async": one, "items": streamed, "aitems": streamed}.items()
        for text in texts
    ]
    assert events.seen == expected


def test_one_factory_with_equal_arguments_gives_one_instance_per_attempt(run_of: Callable[[Worker], Run]) -> None:
    mill, made = Worker("mill"), list[str]()

    def make(url: str = "a") -> Db:
        made.append(url)
        return Db(url)

    def first(*, db: Annotated[Db, Depends(make, "b")] = injected) -> Db:
        return db

    @mill.task
    def same(
        *,
        left: Annotated[Db, Depends(make, "b")] = injected,
        right: Annotated[Db, Depends(first)] = injected,
        other: Annotated[Db, Depends(make)] = injected,
    ) -> bool:
        return left is right and left is not other

    run = run_of(mill)
    assert run(same) is True
    assert run(same) is True
    assert made == ["b", "a", "b", "a"]


def test_a_teardown_sees_the_error_and_one_that_fails_changes_no_result(
    run_of: Callable[[Worker], Run], caplog: pytest.LogCaptureFixture
) -> None:
    mill, events = Worker("mill"), Events()

    def transaction() -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(":memory:")
        try:
            with db:
                yield db
        except ValueError as error:
            events(f"rolled back: {error}")
            raise
        finally:
            db.close()

    def leaky(*, db: Annotated[sqlite3.Connection, Depends(transaction)] = injected) -> Iterator[int]:
        (value,) = db.execute("select 7").fetchone()
        yield value
        raise RuntimeError("the tap drips")

    @mill.task
    async def take(x: int, *, value: Annotated[int, Depends(leaky)] = injected) -> int:
        if x < 0:
            raise ValueError("too cold")
        return x + value

    run = run_of(mill)
    assert run(take, 1) == 8
    with pytest.raises((ValueError, RunFailedError), match="too cold"):
        run(take, -1)
    assert events.seen == ["rolled back: too cold"]
    assert "the tap drips" in caplog.text


def test_an_error_of_a_factory_is_the_attempts_failure_with_its_code() -> None:
    mill, tries = Worker("mill"), list[int]()

    async def gate() -> str:
        tries.append(1)
        raise TransientError("the gate is shut", retry_after=0.001)

    @mill.task(retries=1)
    def enter(*, by: Annotated[str, Depends(gate)] = injected) -> str:
        return by

    with local(mill) as client, pytest.raises(RunFailedError, match="the gate is shut") as failed:
        client.submit(enter).result()
    assert failed.value.code is Code.TRANSIENT
    assert len(tries) == 2


def test_what_is_made_once_per_worker_is_made_once_however_many_ask_at_once() -> None:
    mill, made, closed = Worker("mill"), list[str](), list[str]()
    together = threading.Barrier(4)

    def weights() -> Iterator[list[int]]:
        made.append(threading.current_thread().name)
        yield [3]
        closed.append("weights")

    async def model(*, of: Annotated[list[int], Depends(weights, scope=Scope.WORKER)] = injected) -> AsyncIterator[Db]:
        made.append("model")
        await asyncio.sleep(0.01)
        yield Db(f"model{of[0]}")
        closed.append("model")

    kept = Depends(model, scope=Scope.WORKER)

    @mill.task
    def sync(x: int, *, db: Annotated[Db, kept] = injected) -> str:
        together.wait(10)
        return f"{x}{db.url}"

    @mill.task("async")
    async def asyn(x: int, *, db: Annotated[Db, kept] = injected) -> str:
        return f"{x}{db.url}"

    with local(mill) as client:
        runs = [client.submit(sync if x % 2 else asyn, x) for x in range(8)]
        assert [run.result() for run in runs] == [f"{x}model3" for x in range(8)]
        assert (len(made), closed) == (2, [])
    assert closed == ["model", "weights"]


def test_a_failed_build_is_tried_again_by_the_next_attempt() -> None:
    mill, tries = Worker("mill"), list[int]()

    def model() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise TransientError("no room yet", retry_after=0.001)
        return "model"

    @mill.task(retries=2)
    async def use(*, model: Annotated[str, Depends(model, scope=Scope.WORKER)] = injected) -> str:
        return model

    with local(mill) as client:
        assert client.submit(use).result() == "model"
        assert client.submit(use).result() == "model"
    assert len(tries) == 2


def test_a_cancelled_attempt_is_torn_down_and_what_it_was_building_is_built_for_others() -> None:
    mill, events = Worker("mill"), Events()
    begun, building, go_on = threading.Event(), threading.Event(), threading.Event()

    async def lock() -> AsyncIterator[str]:
        try:
            yield "lock"
        finally:
            await asyncio.sleep(0)
            events("unlocked")

    def model() -> str:
        building.set()
        assert go_on.wait(10)
        events("built")
        return "model"

    @mill.task
    async def wait(*, lock: Annotated[str, Depends(lock)] = injected) -> None:
        begun.set()
        await asyncio.Event().wait()

    @mill.task
    async def use(*, model: Annotated[str, Depends(model, scope=Scope.WORKER)] = injected) -> str:
        return model

    with local(mill) as client:
        waiting, first, second = client.submit(wait), client.submit(use), client.submit(use)
        assert begun.wait(10)
        waiting.cancel()
        with pytest.raises(RunCancelledError):
            waiting.result()
        assert building.wait(10)
        first.cancel()
        with pytest.raises(RunCancelledError):
            first.result()
        go_on.set()
        assert second.result() == "model"
    assert events.seen == ["unlocked", "built"]


@pytest.mark.feature("A9")
def test_a_factory_is_replaced_for_a_test_wherever_it_is_needed(run_of: Callable[[Worker], Run]) -> None:
    mill, torn = Worker("mill"), list[str]()

    def make_url(name: str) -> str:
        raise AssertionError(f"nobody opens {name} in a test")

    def open_db(*, url: Annotated[str, Depends(make_url, "sea")] = injected) -> Db:
        return Db(url)

    async def fake_url(name: str) -> AsyncIterator[str]:
        yield f"fake {name}"
        torn.append(name)

    @mill.task
    def name_of(*, db: Annotated[Db, Depends(open_db)] = injected) -> str:
        return db.url

    run = run_of(mill)
    with mill.overrides({make_url: fake_url}):
        assert run(name_of) == "fake sea"
        with mill.overrides({open_db: lambda: Db("nearer")}):
            assert run(name_of) == "nearer"
        assert run(name_of) == "fake sea"
    assert torn == ["sea", "sea"]
    with pytest.raises((AssertionError, RunFailedError), match="nobody opens sea"):
        run(name_of)
    with pytest.raises(DefinitionError, match="no task of mill depends on fake_url"), mill.overrides({fake_url: Db}):
        raise AssertionError
    with pytest.raises(DefinitionError, match="cannot be called"), mill.overrides({make_url: lambda: ""}):
        raise AssertionError


def hen(*, egg: "Annotated[str, Depends(egg_of_hen)]" = injected) -> str:
    return egg


def egg_of_hen(*, hen: Annotated[str, Depends(hen)] = injected) -> str:
    return hen


def wants_context(ctx: Context) -> str:
    return ctx.task


def wants_attempt(*, name: Annotated[str, Depends(wants_context)] = injected) -> str:
    return name


def wants_url(url: str) -> Db:
    return Db(url)


@contextmanager
def managed() -> Iterator[Db]:
    yield Db("")


PER_WORKER = Scope.WORKER


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        (Depends(hen), r"hen → egg_of_hen → hen: a dependency that needs itself"),
        (Depends(wants_context, scope=PER_WORKER), "wants_context is made once per worker, and needs ctx: Context"),
        (
            Depends(wants_attempt, scope=PER_WORKER),
            "once per worker, and needs name: wants_context, which each attempt",
        ),
        (Depends(wants_url), r"wants_url cannot be called: missing a required argument: 'url'; write Depends\(wants"),
        (Depends(wants_url, ["a"]), "must be hashable"),
        (Depends(managed), "take away @contextmanager"),
        (Depends(Db("")), "is no factory"),  # type: ignore[arg-type]
    ],
)
def test_a_dependency_that_cannot_be_made_is_refused_at_import(mark: Depends, text: str) -> None:
    mill = Worker("mill")
    with pytest.raises(DefinitionError, match=text) as refused:

        @mill.task
        def broken(*, it: Annotated[Any, mark] = injected) -> None: ...

    assert "task mill.broken: parameter it:" in str(refused.value)


def test_a_factory_of_another_class_is_refused_at_import() -> None:
    mill = Worker("mill")
    with pytest.raises(DefinitionError, match="wants_url gives a Db, and not a str"):

        @mill.task
        def broken(*, it: Annotated[str, Depends(wants_url, "u")] = injected) -> None: ...


def test_an_injected_parameter_is_the_workers_to_give() -> None:
    mill = Worker("mill")
    with pytest.raises(DefinitionError, match=r"write `\*, db: Annotated\[…, Depends\(…\)\] = injected`"):

        @mill.task
        def broken(db: Annotated[Db, Depends(Db, "u")]) -> None: ...

    @mill.task
    def use(*, db: Annotated[Db, Depends(Db, "u")] = injected) -> str:
        return db.url

    assert use() == "u"
    assert use.definition.inputs["properties"] == {}
    with pytest.raises(TypeError, match="is given 'db' by its worker"):
        use(db=Db("mine"))
