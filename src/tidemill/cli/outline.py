"""The steps of a run as a short outline: one line for a step, one for a map of any length.

Reading it costs requests in proportion to the graph, not to its maps: what lies inside one is skipped.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tidemill.cli.show import span
from tidemill.client.remote import AsyncRun
from tidemill.wire.api import RunView, StepView

PAGE = 40
BAR = 24
MARKS = {"succeeded": "✓", "failed": "✗", "cancelled": "⊘", "running": "▸", "leased": "▸", "waiting": "▸"}
LATER = "·"


async def read_outline(run: AsyncRun[object]) -> list[StepView]:
    """The steps that lie in no map, in the order in which they began."""
    found: list[StepView] = []
    after = ""
    while True:
        page = await run.steps_after(after, PAGE)
        after = page.next
        for step in page.steps:
            if inside := _map_around(step.path, found):
                after = f"{inside}[\U0010ffff"  # behind all that lies in it
                break
            found.append(step)
        if not after:
            return in_order(found)


def in_order(steps: Sequence[StepView]) -> list[StepView]:
    """Steps as they began, what is inside a step after it, and what has not begun last."""
    began: dict[str, tuple[bool, str]] = {}
    for step in steps:
        top = step.path.partition("/")[0]
        own = (step.status in ("blocked", "ready"), step.started_at)
        began[top] = min(began.get(top, own), own)
    return sorted(steps, key=lambda step: (began[step.path.partition("/")[0]], step.path))


def _map_around(path: str, maps: Sequence[StepView]) -> str:
    """The map among these steps that ``path`` lies in, or ""."""
    return next((each.path for each in maps if each.elements and path.startswith(f"{each.path}[")), "")


def lines_of_outline(steps: Sequence[StepView]) -> Iterator[str]:
    """One line for each step, indented by its depth."""
    widest = max((len(_indented(step)) for step in steps), default=0)
    for step in steps:
        yield f"{MARKS.get(step.status, LATER)} {_indented(step):<{widest}}  {state_of(step)}".rstrip()


def _indented(step: StepView) -> str:
    *outer, name = step.path.split("/")
    return "  " * len(outer) + name


def state_of(step: StepView) -> str:
    """What is to be said of one step: counts of a map, progress, or how long it took."""
    if step.elements:
        return elements_of(step)
    parts = []
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
