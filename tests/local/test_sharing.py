"""Stores and channels of tasks: in plain calls, and in a worker."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from tests.local.conftest import Run
from tidemill import (
    Channel,
    Context,
    DefinitionError,
    Reach,
    ReadStore,
    Receiver,
    RunFailedError,
    Sender,
    Shared,
    SharingError,
    Store,
    TransientError,
    Worker,
    WriteStore,
    injected,
    map_over,
    workflow,
)
from tidemill.testing.local import local

shop = Worker("shop")
Seen = Annotated[Store[int], Shared("seen", Reach.WORKFLOW)]
Words = Annotated[Store[dict[str, Any]], Shared("words")]


@shop.task
def count(word: str, *, seen: Seen = injected) -> int:
    return seen.increment(word)


@shop.task
def walk(*, words: Words = injected) -> list[Any]:
    found: list[Any] = [words.get("a"), words.delete("a"), words.entry("a")]
    first = words.set("a", {"n": 1})
    found += [words.get("a"), words.compare_and_set("a", {"n": 9}, first + 7), words.compare_and_set("b", {}, 0)]
    found += [words.compare_and_set("b", {}, 0), words.compare_and_set("a", {"n": 2}, first), words.get("a")]
    for at in range(5):
        words.set(f"page/{at}", {"at": at})
    page = words.page("page/", limit=2)
    found += [[each.key for each in page], [each.key for each in words.page("page/", after=page[-1].key, limit=2)]]
    found += [len(list(words.entries())), words.delete("page/3"), [each.value["at"] for each in words.entries("page/")]]
    return found


@shop.task
async def awalk(*, words: Words = injected) -> list[Any]:
    found: list[Any] = [await words.aget("a"), await words.adelete("a"), await words.aentry("a")]
    first = await words.aset("a", {"n": 1})
    found += [await words.aget("a"), await words.acompare_and_set("a", {"n": 9}, first + 7)]
    found += [await words.acompare_and_set("b", {}, 0), await words.acompare_and_set("b", {}, 0)]
    found += [await words.acompare_and_set("a", {"n": 2}, first), await words.aget("a")]
    await asyncio.gather(*(words.aset(f"page/{at}", {"at": at}) for at in range(5)))
    page = await words.apage("page/", limit=2)
    after = await words.apage("page/", after=page[-1].key, limit=2)
    found += [[each.key for each in page], [each.key for each in after]]
    found += [len([each async for each in words.aentries()]), await words.adelete("page/3")]
    return [*found, [each.value["at"] async for each in words.aentries("page/")]]


WALKED = [
    None, False, None, {"n": 1}, False, True, False, True, {"n": 2},
    ["page/0", "page/1"], ["page/2", "page/3"], 7, True, [0, 1, 2, 4],
]  # fmt: skip


@shop.task
def talk(upto: int, *, line: Annotated[Sender[str], Shared("line")] = injected) -> list[int]:
    return [line.send(f"word {number}") for number in range(upto)]


@shop.task
async def listen(after: int, upto: int, *, line: Annotated[Receiver[str], Shared("line")] = injected) -> list[str]:
    found: list[str] = []
    while after < upto and (item := await line.areceive(after, timeout=10)) is not None:
        found.append(item.value)
        after = item.number
    return found


@workflow
def conversation(upto: int) -> tuple[list[int], list[str], list[str]]:
    return talk(upto), listen.options(name="all_of_it")(0, upto), listen.options(name="the_rest")(2, upto)


@shop.task
def both(*, line: Annotated[Channel[int], Shared("both", Reach.WORKFLOW)] = injected) -> list[Any]:
    sent = [line.send(7), line.send(8)]
    nothing = line.receive(2, timeout=0.01)
    item = line.receive(1, timeout=1)
    pages = [[(each.number, each.value) for each in page] for page in (line.page(), line.page(1))]
    return [sent, *pages, item and item.value, nothing]


@shop.task
def wrongly(how: str, *, words: Words = injected, numbers: Annotated[Store[int], Shared("words")] = injected) -> int:
    match how:
        case "type":
            words.set("a", [1])  # type: ignore[arg-type]  # it says so
        case "key":
            words.get("")
        case "other type":
            words.set("a", {"n": 1})
            return numbers.get("a") or 0
        case "sum":
            words.set("a", {"n": 1})
            return numbers.increment("a")
        case "overflow":
            numbers.set("n", 2**62)
            numbers.increment("n", 2**62)
    return 0


@pytest.mark.parametrize("task", [walk, awalk])
def test_values_are_kept_compared_listed_and_deleted(run_of: Callable[[Worker], Run], task: Any) -> None:
    assert run_of(shop)(task) == WALKED


def test_a_channel_keeps_items_in_order(run_of: Callable[[Worker], Run]) -> None:
    sent, page, rest, second, nothing = run_of(shop)(both)
    assert [tuple(each) for each in (*page, *rest)] == [(1, 7), (2, 8), (2, 8)]
    assert (sent, nothing, second) == ([1, 2], None, 8)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("type", "words takes dict"),
        ("key", "a key has 1 to 512"),
        ("other type", "written as something else"),
        ("sum", "no whole number"),
        ("overflow", "more than 64 bits"),
    ],
)
def test_what_a_store_refuses_is_an_error_that_says_why(run_of: Callable[[Worker], Run], how: str, said: str) -> None:
    with pytest.raises((SharingError, RunFailedError), match=said):
        run_of(shop)(wrongly, how)


@pytest.mark.feature("E22")
async def test_a_store_of_a_workflow_is_that_of_all_its_runs_and_one_of_a_run_is_its_own() -> None:
    async with local(shop) as client:
        runs = await client.submit_many(count, [{"word": "a"}] * 40)
        assert sorted([await run.result() for run in runs]) == list(range(1, 41))
        for _ in range(2):
            assert await (await client.submit(walk)).result() == WALKED
        run = await client.submit(conversation, 6)
        numbers, whole, rest = await run.result()
        assert (numbers, whole, rest) == ([1, 2, 3, 4, 5, 6], [f"word {at}" for at in range(6)], whole[2:])


@shop.task
def large(size: int, *, bodies: Annotated[Store[str], Shared("bodies", Reach.WORKFLOW)] = injected) -> int:
    bodies.set("large", "x" * size)
    return len(bodies.get("large") or "")


@shop.task(retries=1)
def again(ctx: Context, *, tries: Annotated[Store[int], Shared("tries")] = injected) -> list[int]:
    tries.increment("all")
    tries.set(ctx.idempotency_key, ctx.attempt)
    if ctx.attempt == 1:
        raise TransientError("once more", retry_after=0.01)
    return [tries.increment("all"), len(tries.page())]


async def test_large_values_lie_as_blobs_and_writes_of_a_failed_attempt_stay() -> None:
    async with local(shop) as client:
        assert await (await client.submit(large, 300_000)).result() == 300_000
        assert await (await client.submit(again)).result() == [3, 2]


def test_plain_calls_inside_a_workflow_share_and_others_do_not() -> None:
    assert [count("a"), count("a")] == [1, 1]

    @workflow
    def thrice(words: list[str]) -> list[int]:
        return map_over(count, words)

    assert thrice(["a", "b", "a"]) == [1, 1, 2]
    assert conversation(3)[1] == ["word 0", "word 1", "word 2"]


def test_what_is_no_store_is_refused_when_it_is_declared() -> None:
    def fails(hint: Any) -> str:
        def body(x: int, *, store: Any = injected) -> int:
            return x

        body.__annotations__["store"] = hint
        with pytest.raises(DefinitionError) as error:
            shop.task("wrong")(body)
        return str(error.value)

    assert "what is shared is one of ReadStore[…]" in fails(Annotated[int, Shared("a")])
    assert "no name of a store" in fails(Annotated[WriteStore[int], Shared("a b")])
    assert "cannot be sent" in fails(Annotated[ReadStore[complex], Shared("a")])


@shop.task
async def blocking(*, words: Words = injected) -> Any:
    return words.get("a")


@shop.task
async def in_a_thread(*, words: Words = injected) -> Any:
    await words.aset("a", {"n": 1})
    return await asyncio.to_thread(words.get, "a")


@shop.task
def waits_long(ctx: Context, *, line: Annotated[Receiver[str], Shared("line")] = injected) -> None:
    ctx.emit("waits")
    line.receive(timeout=3600)


@shop.task
async def awaits_long(ctx: Context, *, line: Annotated[Receiver[str], Shared("line")] = injected) -> None:
    ctx.emit("waits")
    await line.areceive(timeout=3600)


async def test_a_call_that_waits_is_refused_on_the_loop_and_not_in_a_thread() -> None:
    async with local(shop) as client:
        with pytest.raises(RunFailedError, match="await the one with an 'a'"):
            await (await client.submit(blocking)).result()
        assert await (await client.submit(in_a_thread)).result() == {"n": 1}


@pytest.mark.parametrize("task", [waits_long, awaits_long])
async def test_a_task_that_waits_for_an_item_is_cancelled(task: Any) -> None:
    async with local(shop) as client:
        run = await client.submit(task)
        async for _ in run.emitted("waits"):
            break
        await run.cancel()
        assert (await run.ended(timeout=20)).status == "cancelled"
