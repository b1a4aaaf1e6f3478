"""How tasks and waits begin: with what a fork or the cache has recorded, at a breakpoint, or in earnest."""

from typing import TYPE_CHECKING

from tidemill.core import caching
from tidemill.core.breaks import is_stopped
from tidemill.core.forks import taken_over
from tidemill.core.graph import TaskNode, WaitNode
from tidemill.core.ids import Path, text_of
from tidemill.core.rows import Cached
from tidemill.core.run import AtBreakpoint, Blocked, Failure, Step, StepSucceeded
from tidemill.core.values import blobs_of
from tidemill.core.waits import begin_wait

if TYPE_CHECKING:
    from tidemill.core.moves import Mover


MOVES_OF_REUSE = 5  # finding a result may need rows, and with those the decision begins anew


def begin_task(mover: "Mover", path: Path, node: TaskNode) -> None:
    run = mover.run
    recorded = taken_over(mover, path, node) if run.fork is not None else None
    match recorded or caching.find(mover, path, node):
        case Cached() as known if _is_there(mover, known):
            _reuse(mover, path, known)
        case Failure() as failure:
            mover.node_failed(path, failure)
        case _ if is_stopped(run, path):
            mover.set_step(Step(mover.id, path, AtBreakpoint(mover.draft.at)))
            mover.note("at_breakpoint", path)
        case _:
            mover.make_ready(Step(mover.id, path, Blocked(0)), node)


def start_wait(mover: "Mover", path: Path, node: WaitNode) -> None:
    match taken_over(mover, path, node):
        case Cached() as known if _is_there(mover, known):
            _reuse(mover, path, known)
        case Failure() as failure:
            mover.node_failed(path, failure)
        case _:
            begin_wait(mover, path, node)


def _is_there(mover: "Mover", known: Cached) -> bool:
    """Whether the bytes of a recorded result are: they go with the runs that name them."""
    digests = blobs_of(known.outputs)
    return not digests or not mover.draft.require_blobs(digests)


def _reuse(mover: "Mover", path: Path, known: Cached) -> None:
    """A recorded result stands for the step; nothing runs."""
    mover.moves += MOVES_OF_REUSE
    mover.set_step(Step(mover.id, path, Blocked(0)))
    for port, value in known.outputs.items():
        mover.draft.values[mover.id, path, port] = value
    mover.draft.blob_refs.update(dict.fromkeys((mover.id, digest) for digest in blobs_of(known.outputs)))
    mover.count(done=1)
    mover.note("step_reused", path, run=text_of(known.run), step=known.path)
    mover.node_done(path, StepSucceeded(known.status))
