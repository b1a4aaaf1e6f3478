"""Workers whose tasks write to one store at the same time, inline and in processes."""

from typing import Annotated

from tidemill import Backend, Channel, Context, Processes, Reach, Shared, Store, Worker, injected

Sums = Annotated[Store[int], Shared("sums", Reach.WORKFLOW)]

inline = Worker("inline")
apart = Worker("apart", backend=Backend.PROCESS, processes=Processes(count=1))


def add(key: str, times: int, *, sums: Sums = injected) -> int:
    return [sums.increment(key) for _ in range(times)][-1]


@inline.task
async def aadd(key: str, times: int, *, sums: Sums = injected) -> int:
    return [await sums.aincrement(key) for _ in range(times)][-1]


inline.task(add)
apart.task(add)


@apart.task
def tell(ctx: Context, words: list[str], *, line: Annotated[Channel[str], Shared("line")] = injected) -> list[str]:
    ctx.set("words", len(words))
    ctx.set_run("first", words[0])
    for word in words:
        line.send(word)
    last = line.receive(len(words) - 1, timeout=5)
    return [*(item.value for item in line.page()), last.value if last else ""]


@inline.task(retries=5)
def once_each(
    ctx: Context, times: int, *, done: Annotated[Store[int], Shared("done", Reach.WORKFLOW)] = injected
) -> int:
    """Each number once, whatever dies: what an attempt before this one wrote is seen."""
    for number in range(times):
        done.compare_and_set(f"{ctx.run_id}/{number:04}", ctx.attempt, 0)
    return len(list(done.entries(f"{ctx.run_id}/")))
