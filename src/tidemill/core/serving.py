"""Which lanes a worker serves, and as what: fit is computed once per lane and worker, when either changes."""

from collections.abc import Iterable

from msgspec import Struct

from tidemill.core.definitions import TaskDefinition
from tidemill.core.lanes import ALONE, lane_of
from tidemill.core.pauses import Pauses
from tidemill.core.requirements import (
    NOTHING,
    Capability,
    Lack,
    Requirements,
    Unmet,
    narrowed,
    unmet,
)
from tidemill.core.rows import Lane, LaneRow, PauseKind
from tidemill.core.standing import Standing


class Serving(Struct, frozen=True):
    """One implementation of a lane's task, on a worker that can run it when it has room."""

    pool: str
    implementation: str
    needs: Requirements  # the task's, narrowed by the node's
    is_hot: bool = True  # every model that it requires is in memory

    @property
    def is_plain(self) -> bool:
        """Nothing but credit decides."""
        return not self.implementation and self.is_hot and not self.needs.models and not self.needs.is_amount


class Served(Struct):
    """The lanes of one worker: the pool of each, and where more than credit decides, what may serve it, in order."""

    pools: dict[Lane, str]
    choices: dict[Lane, tuple[Serving, ...]]
    lone: frozenset[Lane]  # those for steps that must have no neighbour
    sources: dict[
        Lane, tuple[str, frozenset[str]]
    ] = {}  # the task of each, and the queues that its implementations are in
    revision: int = 0  # grows with each change

    def add(self, lane: Lane, task: str, servings: tuple[Serving, ...]) -> None:
        """Only those that nothing rules out are given here; none serves nothing."""
        self.revision += 1
        self.sources[lane] = (task, frozenset(each.needs.queue for each in servings))
        self.pools.pop(lane, None)
        self.choices.pop(lane, None)
        if servings:
            self.pools[lane] = servings[0].pool
            if len(servings) > 1 or not servings[0].is_plain:
                self.choices[lane] = servings

    def without(self, pauses: Pauses) -> "Served":
        """What is left of it while tasks and queues are paused."""
        tasks, queues = pauses.names(PauseKind.TASK), pauses.names(PauseKind.QUEUE)
        if not tasks and not queues:
            return self
        closed = {lane for lane, (task, those) in self.sources.items() if task in tasks or (those and those <= queues)}
        choices = {
            lane: tuple(each for each in servings if each.needs.queue not in queues)
            for lane, servings in self.choices.items()
            if lane not in closed
        }
        return Served({lane: pool for lane, pool in self.pools.items() if lane not in closed}, choices, self.lone)


class Station(Struct, frozen=True):
    """A worker as far as fit goes: what it has, where it is, and which tasks it announced."""

    tasks: dict[str, tuple[TaskDefinition, ...]]  # by name, in the order of their announcement
    offers: Capability
    labels: dict[str, str]
    standing: Standing = {}

    def takes(self, task: TaskDefinition, schema: str) -> bool:
        """Whether a task of this worker is what is asked for: any version, its own, or one that it may stand for."""
        return schema in ("", task.digest) or schema in self.standing.get((task.name, task.digest), ())

    def serving(self, task: str, schema: str, wanted: Requirements | None) -> tuple[Serving, ...]:
        """Implementations of a task that this worker may run, in the order of their announcement."""
        found = []
        for each in self.tasks.get(task, ()):
            if self.takes(each, schema) and not self.unmet(each, wanted):
                needs = narrowed(each.options.requires, wanted)
                is_hot = all(name in self.offers.hot for name in needs.models)
                found.append(Serving(each.options.pool, each.implementation, needs, is_hot))
        return tuple(found)

    def unmet(self, task: TaskDefinition, wanted: Requirements | None) -> tuple[Unmet, ...]:
        """What keeps this worker from running a task of its own, however idle it is."""
        needs = narrowed(task.options.requires, wanted)
        if needs.implementation and needs.implementation != task.implementation:
            text = f"has the implementation {task.implementation or 'without a name'}, not {needs.implementation}"
            change = f"has the implementation {needs.implementation}"
            return (Unmet(Lack.IMPLEMENTATION, needs.implementation, text, change),)
        if needs == NOTHING and not self.offers.queues:
            return ()
        return unmet(needs, self.offers, self.labels)

    def served(self, lanes: Iterable[LaneRow]) -> Served:
        """All lanes that it serves: those of its tasks, and those of ``lanes``."""
        served = Served({}, {}, frozenset())
        lone: set[Lane] = set()
        every = (each for tasks in self.tasks.values() for each in tasks)
        for task, digest in dict.fromkeys((each.name, each.digest) for each in every):
            for schema in dict.fromkeys((digest, *self.standing.get((task, digest), ()), "")):
                servings = self.serving(task, schema, None)
                served.add(lane_of(task, schema), task, servings)
                alone = lane_of(task, schema, ALONE)
                served.add(alone, task, servings)
                lone.add(alone)
        served.lone = frozenset(lone)
        for row in lanes:
            self.learn(served, row)
        return served

    def learn(self, served: Served, row: LaneRow) -> None:
        """Take in a lane that somebody's node made."""
        served.add(row.id, row.task, self.serving(row.task, row.schema, row.requires))
        if row.alone:
            served.lone |= {row.id}


def station_of(
    tasks: Iterable[TaskDefinition], offers: Capability, labels: dict[str, str], standing: Standing | None = None
) -> Station:
    by_name: dict[str, tuple[TaskDefinition, ...]] = {}
    for task in tasks:
        by_name[task.name] = (*by_name.get(task.name, ()), task)
    return Station(by_name, offers, labels, standing or {})
