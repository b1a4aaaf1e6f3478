"""Workers whose processes are replaced: by count, by age, by memory, or not at all."""

import os
import signal
from pathlib import Path

from tidemill import Backend, Context, Processes, Worker

kept = Worker("kept", backend=Backend.PROCESS, processes=Processes(count=1))
counted = Worker("counted", backend=Backend.PROCESS, processes=Processes(count=1, recycle_after=2))
aged = Worker("aged", backend=Backend.PROCESS, processes=Processes(count=1, max_age=0.000_001))
weighed = Worker("weighed", backend=Backend.PROCESS, processes=Processes(count=1, max_memory_mib=1))


def pid() -> int:
    return os.getpid()


for worker in (kept, counted, aged, weighed):
    worker.task("pid")(pid)


@kept.task
def double(x: int) -> int:
    return 2 * x


@kept.task
def quadruple(ctx: Context, x: int) -> int:
    return ctx.submit(double, ctx.submit(double, x).result()).result()


@kept.task
def crash_once(mark: str) -> str:
    """Only the first process that gets it dies."""
    if not Path(mark).exists():
        Path(mark).touch()
        signal.raise_signal(signal.SIGSEGV)  # in this thread, now; one for the process may come after the result
    return "went on"
