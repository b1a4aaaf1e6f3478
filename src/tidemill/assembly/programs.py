"""The back-end of tasks that are programs, where there are any."""

from collections.abc import Iterable, Mapping

from tidemill.adapters.backends.program.backend import ProgramBackend
from tidemill.adapters.backends.program.ports import Surroundings
from tidemill.ports.backend import BackendPort
from tidemill.ports.clock import Clock
from tidemill.ports.files import Files
from tidemill.ports.threads import Threads
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in


def programs(
    workers: Iterable[Worker], clock: Clock, threads: Threads, files: Files, environment: Mapping[str, str]
) -> dict[Backend, BackendPort]:
    """None where no task is a program. ``environment`` is what each program gets, besides what concerns its call."""
    tasks = {name: task for name, task in tasks_in(workers).items() if task.backend is Backend.PROGRAM}
    around = Surroundings(clock, threads, files, dict(environment))
    return {Backend.PROGRAM: ProgramBackend(tasks, around)} if tasks else {}
