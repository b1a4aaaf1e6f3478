"""The steps of a run as a short outline: one line for a step, one for a map of any length.

Reading it costs requests in proportion to the graph, not to its maps and loops: what lies inside is skipped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from tidemill.cli.show import span
from tidemill.client.remote import AsyncRun
from tidemill.core.graph import FINALLY, MachineNode, MapNode, State, Workflow
from tidemill.core.plan import Body, body_of, join
from tidemill.wire.api import RunView, StepView
from tidemill.wire.visits import VisitView

PAGE = 40
BAR = 24
MARKS = {
    "succeeded": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "skipped": "⊖",
    "running": "▸",
    "leased": "▸",
    "waiting": "▸",
}
LATER = "·"
NONE: Mapping[str, VisitView] = {}
_COUNTED = re.compile(r"#(\d+)|\[(\d+)\]")  # a visit, a round


class Outline:
    """The steps of one run that lie in no map, and of a loop in its latest round, in the order of its graph."""

    def __init__(self, run: AsyncRun[object]) -> None:
        self._run = run
        self._places: Mapping[str, int] = {}
        self._has_states = False
        self.steps: Sequence[StepView] = ()  # as they were read last
        self.visits: Mapping[str, VisitView] = {}

    async def read(self) -> Sequence[StepView]:
        """As they are now."""
        if not self._places:
            workflow = (await self._run.graph()).workflow
            self._places, self._has_states = places_in(workflow), workflow.is_machine
        if self._has_states:
            self.visits = {visit.path: visit for visit in await self._run.visits()}
        found: list[StepView] = []
        after = ""
        while True:
            page = await self._run.steps_after(after, PAGE)
            after = page.next
            for step in page.steps:
                if skipped := _skipped_to(step.path, found):
                    after = skipped
                    break
                found.append(step)
            if not after:
                self.steps = sorted(found, key=lambda step: place_of(step.path, self._places, self.visits))
                return self.steps


def places_in(workflow: Workflow) -> dict[str, int]:
    """Each path outside of maps with its place: after all that it waits for, and before what is inside it.

    Those of visits and rounds stand without their number.
    """
    return {path: place for place, path in enumerate(_all_paths(workflow))}


def place_of(path: str, places: Mapping[str, int], visits: Mapping[str, VisitView]) -> tuple[object, ...]:
    """Where a step stands among others: by the place of its node, rounds by number, visits as they were made."""
    segments = path.split("/")
    heads = ["/".join(segments[: end + 1]) for end in range(len(segments))]
    return tuple(
        part
        for head in heads
        for part in (_number_of(head, visits), places.get(_COUNTED.sub("", head), len(places)), head)
    )


def _number_of(head: str, visits: Mapping[str, VisitView]) -> int:
    if head in visits:
        return visits[head].turn
    found = _COUNTED.search(head.rpartition("/")[2])
    return int(found[1] or found[2]) if found else 0


def _all_paths(workflow: Workflow) -> Iterator[str]:
    if not workflow.is_machine:
        yield from _paths(body_of(workflow.body), "")
    else:
        yield from _paths_of_states(workflow.states, workflow.start, "")
    if workflow.final is not None:
        yield from _paths(body_of(workflow.final.body), FINALLY)


def _paths_of_states(states: Mapping[str, State], start: str, scope: str) -> Iterator[str]:
    for name in _by_way(states, start):
        state = states[name]
        yield join(scope, name)
        yield from _paths(body_of(state.body), join(scope, name))


def _paths(body: Body, scope: str) -> Iterator[str]:
    for name in _by_depth(body):
        path = join(scope, name)
        yield path
        node_here = body.graph.nodes[name]
        if isinstance(node_here, MachineNode):
            yield from _paths_of_states(node_here.states, node_here.start, path)
            continue
        for (node, arm), inner in body.inner.items():
            if node == name and not isinstance(body.graph.nodes[node], MapNode):
                yield from _paths(inner, join(path, arm) if arm else path)


def _by_way(states: Mapping[str, State], start: str) -> list[str]:
    """The states in the order in which a run first comes to them, at the earliest."""
    found = [start]
    for name in found:
        ways = [each.to for each in states[name].transitions if isinstance(each.to, str)]
        found += [to for to in dict.fromkeys(ways) if to not in found]
    return found


def _by_depth(body: Body) -> list[str]:
    """The nodes by how long the longest way to them is; those of one depth by name."""
    depths, open_needs, queue = dict.fromkeys(body.roots, 0), dict(body.needs), list(body.roots)
    for name in queue:
        for fed in body.feeds[name]:
            depths[fed] = max(depths.get(fed, 0), depths[name] + 1)
            open_needs[fed] -= 1
            if not open_needs[fed]:
                queue.append(fed)
    return sorted(depths, key=lambda name: (depths[name], name))


def _skipped_to(path: str, around: Sequence[StepView]) -> str:
    """The path to go on after, when ``path`` lies in an element of a map, or in a round that is not the last one."""
    for each in around:
        if not each.elements or not path.startswith(f"{each.path}["):
            continue
        rounds = each.elements.get("rounds", 0)
        latest = f"{each.path}[{rounds - 1}]/"
        if rounds and path.startswith(latest):
            continue
        return latest if rounds and path < latest else f"{each.path}[\U0010ffff"  # behind all that lies in it
    return ""


def lines_of_outline(steps: Sequence[StepView], visits: Mapping[str, VisitView] = NONE) -> Iterator[str]:
    """One line for each step, indented by its depth; for a visit, how it ended and where it led."""
    widest = max((len(_indented(step)) for step in steps), default=0)
    for step in steps:
        told = state_of(step, visits.get(step.path))
        yield f"{MARKS.get(step.status, LATER)} {_indented(step):<{widest}}  {told}".rstrip()


def _indented(step: StepView) -> str:
    *outer, name = step.path.split("/")
    return "  " * len(outer) + name


def state_of(step: StepView, visit: VisitView | None = None) -> str:
    """What is to be said of one step: counts of a map, progress, or how long it took; of a visit, where it led."""
    if visit is not None:
        took = seconds_between(visit.opened_at, visit.closed_at)
        failed = step.failure.message if step.failure else ""
        led = f"→ {visit.next}" if visit.next else ""
        return "  ".join(filter(None, (visit.status, "" if took is None else span(took), failed, led)))
    if "length" in step.elements:
        return elements_of(step)
    parts = [f"round {step.elements['rounds']}"] if step.elements else []
    if step.status not in ("succeeded", "running"):
        parts.append(step.status)
    if step.progress and step.status == "running":
        fraction, stage, message = step.progress
        parts += [f"{fraction:.0%}", *filter(None, (stage, message))]
    if step.attempts > 1:
        parts.append(f"attempt {step.attempts}")
    if (took := seconds_between(step.started_at, step.ended_at)) is not None:
        parts.append(span(took))
    if step.failure:
        parts.append(step.failure.message or step.failure.type)
    return "  ".join(parts)


def elements_of(step: StepView) -> str:
    length, done, failed = (step.elements.get(name, 0) for name in ("length", "done", "failed"))
    full = (done + failed) * BAR // length if length else BAR
    parts = [f"{'█' * full}{'░' * (BAR - full)} {done + failed:,}/{length:,}"]
    if running := step.elements.get("open", 0):
        parts.append(f"{running:,} under way")
    if failed:
        parts.append(f"{failed:,} failed")
    return "  ".join(parts)


def seconds_between(start: str, end: str) -> float | None:
    """Of two times as the API writes them; None when one is not there."""
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def summary_of(view: RunView) -> str:
    """One line on how a run stands."""
    took = seconds_between(view.created_at, view.ended_at)
    parts = [view.status]
    if took is not None:
        parts.append(f"after {span(took)}")
    parts.append(f"{view.done:,} {'step' if view.done == 1 else 'steps'} done")
    if view.failed:
        parts.append(f"{view.failed:,} failed")
    return ", ".join(parts)
