"""Breakpoints: a step of a task that stops before it begins, until somebody lets it go on.

A breakpoint is a path; without the numbers of elements, rounds and visits it means each of them.
"""

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.graph import TaskNode
from tidemill.core.ids import Path
from tidemill.core.run import AtBreakpoint, Blocked, Run, Step

if TYPE_CHECKING:
    from tidemill.core.events import Continued
    from tidemill.core.moves import Mover

_NUMBERS = re.compile(r"\[\d+\]|#\d+")


def is_stopped(run: Run, path: Path) -> bool:
    """Whether the step at ``path`` stops before it begins."""
    if run.is_stepped:
        return True
    return bool(run.breakpoints) and (path in run.breakpoints or _NUMBERS.sub("", path) in run.breakpoints)


def go_on(mover: "Mover", event: "Continued") -> None:
    """Let steps begin that stopped; further ones stop as ``event`` says."""
    run = mover.run
    breakpoints = run.breakpoints if event.breakpoints is None else event.breakpoints
    mover.draft.put_run(replace(run, breakpoints=breakpoints, is_stepped=event.is_stepped))
    for path in event.paths:
        step = mover.draft.step(mover.id, path)
        if step is None or not isinstance(step.state, AtBreakpoint):
            continue
        _, _, node = mover.layout.node(path)
        if isinstance(node, TaskNode) and not mover.is_dead(path.rpartition("/")[0]):
            mover.note("continued", path)
            mover.make_ready(Step(mover.id, path, Blocked(0)), node)
