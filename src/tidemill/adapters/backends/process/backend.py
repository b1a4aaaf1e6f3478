"""Bodies in warm child processes: what does not stop is killed, and what crashes takes nothing else with it."""

import asyncio
from collections.abc import Mapping

from tidemill.adapters.backends.process.crew import ChildCrew
from tidemill.adapters.backends.process.launch import Command
from tidemill.ports.backend import Work
from tidemill.sdk.processes import Processes


class ProcessBackend:
    """A BackendPort. Each worker's tasks have children of their own; a work's grip is its child.

    Args:
        crews: the name of a task to that of its worker.
        limits: by the name of a worker.
        cores: children to keep warm where a worker does not say.
    """

    can_kill = True

    def __init__(self, command: Command, crews: Mapping[str, str], limits: Mapping[str, Processes], cores: int) -> None:
        tasks = {name: frozenset(task for task, crew in crews.items() if crew == name) for name in limits}
        made = {name: ChildCrew(command, each, each.count or cores, tasks[name]) for name, each in limits.items()}
        self._crews = {task: made[name] for task, name in crews.items()}
        self._all = [*made.values()]

    async def open(self) -> None:
        """Raises NotReadyError when the target cannot be imported in a child."""
        for crew in self._all:
            await crew.open()

    async def close(self) -> None:
        async with asyncio.TaskGroup() as group:
            for crew in self._all:
                group.create_task(crew.close())

    def begin(self, work: Work) -> None:
        self._crews[work.target].begin(work)

    def stop(self, work: Work) -> None:
        self._crews[work.target].stop(work)

    def kill(self, work: Work) -> None:
        self._crews[work.target].kill(work)

    def make_room(self, work: Work) -> None:
        self._crews[work.target].make_room(work)

    def idle_violation(self) -> str | None:
        return None
