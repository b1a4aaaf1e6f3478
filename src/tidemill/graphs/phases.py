"""What order the nodes of a graph follow: phases, a topological order, and the circle where there is none."""

from collections.abc import Mapping

from tidemill.core.errors import InputError
from tidemill.core.graph import Graph
from tidemill.core.plan import sources_of


class CycleError(InputError):
    """Nodes that wait for each other; ``cycle`` is their path, with the first one again at its end."""

    def __init__(self, cycle: list[str]) -> None:
        super().__init__("these nodes wait for each other: " + " -> ".join(cycle))
        self.cycle = cycle


def needs_of(graph: Graph) -> dict[str, set[str]]:
    """Each node with the nodes that it waits for."""
    return {name: sources_of(node) & graph.nodes.keys() for name, node in graph.nodes.items()}


def phases_of(needs: Mapping[str, set[str]]) -> list[list[str]]:
    """Names by how many others must be done before them, one after the other; in the order given.

    Raises:
        CycleError: with the path of one circle.
    """
    waits = {name: len(each) for name, each in needs.items()}
    feeds: dict[str, list[str]] = {name: [] for name in needs}
    for name, each in needs.items():
        for need in each:
            feeds[need].append(name)
    level, queue = dict[str, int](), [name for name, count in waits.items() if not count]
    level.update(dict.fromkeys(queue, 0))
    for name in queue:
        for fed in feeds[name]:
            level[fed] = max(level.get(fed, 0), level[name] + 1)
            waits[fed] -= 1
            if not waits[fed]:
                queue.append(fed)
    if len(queue) < len(needs):
        raise CycleError(_circle({name: each for name, each in needs.items() if waits[name]}))
    found: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in needs:
        found[level[name]].append(name)
    return found


def _circle(left: Mapping[str, set[str]]) -> list[str]:
    """Each of these waits for another of them, so that a walk comes round."""
    walk, seen = [min(left)], dict[str, int]()
    while walk[-1] not in seen:
        seen[walk[-1]] = len(walk) - 1
        walk.append(min(left[walk[-1]] & left.keys()))
    return walk[seen[walk[-1]] :]
