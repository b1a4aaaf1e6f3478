"""Runs that a task started: they belong to its run, and stop when that has ended.

A child leaves a timer with its parent, in the commit that makes it. When the timer is due, a parent that runs remembers
that it has children; one that ends has them stopped, again and again until none is alive.
"""

from hashlib import sha256

from msgspec.structs import replace

from tidemill.core.commands import RefuseSubmit, StopChildren
from tidemill.core.ids import Instant, RunId, uuid7
from tidemill.core.overlay import Draft
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import MOVING, Run

DEEPEST = 16  # parents above a run


def refusal(parent: Run | None) -> RefuseSubmit | None:
    """Why a run cannot have a child."""
    if parent is None:
        return RefuseSubmit("no_child", "the run that starts it is not known here")
    if not isinstance(parent.state, MOVING):
        return RefuseSubmit("no_child", f"the run that starts it is {parent.status}")
    if parent.depth + 1 > DEEPEST:
        return RefuseSubmit("no_child", f"a run has at most {DEEPEST} runs above it: does a task start itself?")
    return None


def child_id(parent: bytes, key: bytes, generation: int) -> RunId:
    """The id of a child: the same for the same key, so that another attempt finds the runs of the one before."""
    told = sha256(b"".join([parent, key, generation.to_bytes(4, "big")])).digest()
    at = int.from_bytes(parent[:6], "big") * 1000
    return RunId(uuid7(at, told[:16], int.from_bytes(told[16:18], "big") & 0xFFF))


def timer(parent: RunId, at: Instant) -> Timer:
    return Timer(parent, "", TimerKind.CHILDREN, at)


def remember(draft: Draft, parent: RunId) -> bool:
    """The timer is due; whether its children are being stopped."""
    run = draft.run(parent)
    if run is None:
        return False
    if isinstance(run.state, MOVING):
        if not run.has_children:
            draft.put_run(replace(run, has_children=True))
        return False
    draft.order(StopChildren(parent))
    return True
