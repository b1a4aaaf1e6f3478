"""Bodies that do not look whether they are told to stop, in a thread and in a process.

They end when the test does: its gate is a file.
"""

import time
from pathlib import Path

from tidemill import Backend, Processes, Worker

deaf = Worker("deaf", processes=Processes(count=3))


def _go_on(gate: str) -> str:
    while not Path(gate).exists():
        time.sleep(0.02)
    return "at last"


@deaf.task
def thread(gate: str) -> str:
    return _go_on(gate)


@deaf.task(silence=0.3)
def thread_in_silence(gate: str) -> str:
    return _go_on(gate)


@deaf.task(backend=Backend.PROCESS)
def process(gate: str) -> str:
    return _go_on(gate)


@deaf.task(backend=Backend.PROCESS, silence=0.3)
def process_in_silence(gate: str) -> str:
    return _go_on(gate)
