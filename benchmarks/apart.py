"""The same no-op twice: in the worker, and in a process of its own."""

from tidemill import Backend, Processes, Worker

apart = Worker("apart", processes=Processes(count=1))
bench = Worker("bench")


@bench.task
async def noop(x: int) -> int:
    return x


@apart.task("noop", backend=Backend.PROCESS)
async def noop_apart(x: int) -> int:
    return x
