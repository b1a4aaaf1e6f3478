"""A command per call, each with a thread that waits for it. Told to stop by SIGTERM, killed by SIGKILL."""

import shutil
import signal
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tidemill.adapters.backends.program.body import ProgramBody, command_of
from tidemill.adapters.backends.program.ports import Surroundings
from tidemill.core.bodies import Crashed, Encoded
from tidemill.core.errors import InputError
from tidemill.core.run import Code, Failure
from tidemill.ports.backend import Ending, Work
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.failures import classify
from tidemill.sdk.invoke import Call, invoke
from tidemill.sdk.program import ProgramTask
from tidemill.wire.worker import ITEM_LIMIT_BYTES, UNACKNOWLEDGED_ITEMS

CLOSE_S = 5.0  # for the threads of what was killed
_NOT_BEGUN = Failure(code=Code.CANCELLED, message="it was told to stop before it began")


class ProgramError(InputError):
    """A program that could not be started."""


class _Grip:
    """What finds an attempt's program again."""

    def __init__(self, body: ProgramBody) -> None:
        self.body = body
        self.moved = threading.Condition()
        self.count = 0  # items of its stream so far

    def send(self, number: signal.Signals) -> None:
        if leash := self.body.leash:
            leash.send(number)
        with self.moved:
            self.moved.notify_all()


class ProgramBackend:
    """A BackendPort. A work's grip is the _Grip of its program.

    Args:
        tasks: by name; those that are programs count.
    """

    can_kill = True

    def __init__(self, tasks: Mapping[str, Any], around: Surroundings) -> None:
        self._tasks = {name: task for name, task in tasks.items() if isinstance(task, ProgramTask)}
        self._around = around
        self._running: dict[Work, threading.Thread] = {}

    async def open(self) -> None:
        """Look for each program. Raises ProgramError with all that cannot be started."""
        self._check()

    def _check(self) -> None:
        path = self._around.environment.get("PATH", "")
        programs = {command_of(task)[0]: name for name, task in self._tasks.items()}
        missing = {program: name for program, name in programs.items() if not shutil.which(program, path=path)}
        closed = [program for program in missing if Path(program).is_file()]
        if closed:
            raise ProgramError(f"{', '.join(closed)} cannot be executed: chmod +x")
        if missing:
            told = ", ".join(f"{program} of {name}" for program, name in missing.items())
            raise ProgramError(f"there is no program {told}: build or install it, or mend the command")

    async def close(self) -> None:
        for work in list(self._running):
            work.grip.send(signal.SIGKILL)
        for thread in list(self._running.values()):
            thread.join(CLOSE_S)

    def begin(self, work: Work) -> None:
        work.grip = _Grip(ProgramBody(work, self._tasks[work.target], self._around))
        thread = threading.Thread(target=self._perform, args=(work,), name=work.target, daemon=True)
        self._running[work] = thread
        thread.start()

    def stop(self, work: Work) -> None:
        work.grip.send(signal.SIGTERM)

    def kill(self, work: Work) -> None:
        work.grip.send(signal.SIGKILL)

    def make_room(self, work: Work) -> None:
        grip: _Grip = work.grip
        with grip.moved:
            grip.moved.notify_all()

    def idle_violation(self) -> str | None:
        return None  # its threads wait by themselves

    # In the thread of an attempt --------------------------------------------------------------------

    def _perform(self, work: Work) -> None:
        grip: _Grip = work.grip
        try:
            ending = _NOT_BEGUN if work.is_told_to_stop else self._invoke(work, grip)
        except BaseException as error:  # noqa: BLE001 - whatever happens, the attempt ends
            ending = classify(error, told_to_stop=work.is_told_to_stop)
        self._running.pop(work, None)
        work.end(ending)

    def _invoke(self, work: Work, grip: _Grip) -> Ending:
        ports = grip.body.ports
        call = Call(grip.body.task(), work.inputs, work.facts, ports, ports, self._around.locate)
        ending = invoke(call, partial(_emit, work, grip))
        if not isinstance(ending, Failure):
            return ending
        killed = grip.body.killed
        if killed is not None and (killed.number == signal.SIGKILL or not work.is_told_to_stop):
            return Crashed(killed.name, str(killed))
        # What the program said stands for itself; where the fault may be ours, the lines help to find it.
        return ending if ending.code is Code.INTERNAL else replace(ending, traceback="")


def _emit(work: Work, grip: _Grip, item: Encoded) -> None:
    """The next item of its stream; while too many are not durable, the program waits at its full pipe."""
    if len(item.data) > ITEM_LIMIT_BYTES:
        raise PermanentError(
            f"an item has {len(item.data):,} bytes, and a stream takes {ITEM_LIMIT_BYTES:,}: give a File instead"
        )
    grip.count += 1
    work.add_item(item)
    with grip.moved:
        grip.moved.wait_for(lambda: grip.count - work.durable < UNACKNOWLEDGED_ITEMS or work.is_told_to_stop)
