"""The tasks and workflows that our worker serves."""

from tidemill import Worker, loop, map_over, workflow

bench = Worker("bench")

STEPS = 200
WINDOW = 100


@bench.task
async def noop(x: int) -> int:
    return x


@bench.task
async def total(xs: list[int]) -> int:
    return sum(xs)


@bench.task
async def turn(data: bytes) -> bytes:
    return data[1:] + data[:1]


@workflow
def fan_out(xs: list[int]) -> int:
    return total(map_over(noop, xs, window=WINDOW))


@bench.task
async def count_down(left: int) -> int:
    return left - 1


@workflow
def rounds(count: int) -> int:
    return loop(count_down, count, until=lambda left: left == 0, limit=1_000_000)


@workflow
def chain(x: int) -> int:
    for number in range(STEPS):
        x = noop.options(name=f"step-{number}")(x)
    return x
