"""Starting a process, whatever the threads of tasks do meanwhile."""

import asyncio
import os
import sys
import threading

from tidemill.adapters.backends.process.launch import Command, Ends, Launch
from tidemill.assembly.settings import variables_now

STARTS = 80  # of those, one or more failed, most times, when a start read the variables themselves


async def test_variables_that_a_thread_sets_meanwhile_do_not_spoil_a_start() -> None:
    over, null = threading.Event(), os.open(os.devnull, os.O_RDWR)

    def change() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            os.environ[f"TIDEMILL_TEST_{turn % 40}"] = "y"
            os.environ.pop(f"TIDEMILL_TEST_{(turn + 7) % 40}", None)

    interval, thread = sys.getswitchinterval(), threading.Thread(target=change)
    sys.setswitchinterval(0.0005)
    thread.start()
    try:
        for _ in range(STARTS):
            died = asyncio.Event()
            launch = Launch(Command(["true"], "/", variables_now), died.set)
            await launch.start(Ends(null, null, null, null))
            await died.wait()
            assert launch.code == 0
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)
        os.close(null)
        for name in [name for name in os.environ if name.startswith("TIDEMILL_TEST_")]:
            del os.environ[name]
