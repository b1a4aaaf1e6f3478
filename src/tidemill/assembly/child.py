"""A child process that runs the tasks of a worker, one at a time. Of the worker's side only its hooks are imported."""

import asyncio
import faulthandler
import gc
import logging
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.backends.process.child import open_channel, say_unready, serve
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.system.capture import captured_log
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.system.user_loop import UserLoop
from tidemill.core.errors import InputError
from tidemill.ports.backend import speaking
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.worker.hooks import Hooks, StartFailedError


def run_child(load: Callable[[], Iterable[Worker]], folder: Path, channel: int, lifeline: int) -> None:
    """Until the worker has no more work.

    Args:
        load: imports what the worker serves; its InputError is told to the worker.
        folder: the worker's.
        channel, lifeline: file descriptors that the worker opened.
    """
    faulthandler.enable(all_threads=False)  # a crash says where it happened, on standard error
    sock = open_channel(channel, lifeline)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    try:
        workers = tuple(load())
        tasks = tasks_in(workers)
    except InputError as error:
        say_unready(sock, str(error))
        sys.exit(1)
    gc.freeze()  # what is imported stays: no collection looks at it again
    threads, stage = ThreadPool(1), UserLoop(1, uvloop.new_event_loop)
    around = Surroundings(SystemClock(), threads, LocalFiles(folder, threads))
    with ExitStack() as stack:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # to the worker, as any output
        logging.getLogger().handlers[0].addFilter(lambda _: speaking.get() is None)  # threads that tasks started
        stack.enter_context(captured_log(speaking.get, logging.INFO))
        runner = stack.enter_context(asyncio.Runner())
        runner.run(_serve(sock, stage, InlineBackend(tasks, stage, around), workers))


async def _serve(sock: socket.socket, stage: UserLoop, backend: InlineBackend, workers: Sequence[Worker]) -> None:
    hooks = Hooks(workers, stage)
    await stage.open()
    await backend.open()
    try:
        await hooks.start()
        await serve(sock, backend, tasks_in(workers))
    except StartFailedError as error:
        say_unready(sock, str(error))
    finally:
        await backend.close()
        await hooks.stop()
        await stage.close()
