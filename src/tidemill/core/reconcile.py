"""What a worker says that it holds, against what the server believes (engine.md, "Attempts, leases, sessions")."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tidemill.core.ids import Path, RunId
from tidemill.core.rows import AttemptKey
from tidemill.core.run import Attempt, AttemptEnded, End, Step, Stopping


class Verdicts(Struct, frozen=True):
    """``keep``: the worker goes on with these; ``stale``: it forgets them; ``gone``: it no longer has these.

    ``stopping``: those of ``keep`` that were told to stop.
    """

    keep: tuple[AttemptKey, ...]
    stale: tuple[AttemptKey, ...]
    gone: tuple[Attempt, ...]
    stopping: tuple[Attempt, ...] = ()


def reconcile(
    listed: Sequence[AttemptKey],
    believed: Sequence[Attempt],
    attempts: Mapping[AttemptKey, Attempt | None],
    steps: Mapping[tuple[RunId, Path], Step | None],
) -> Verdicts:
    """Judge each attempt of a worker that says hello.

    Args:
        listed: what the worker holds, or has a result of that nobody acknowledged.
        believed: live attempts of the worker's sessions.
        attempts, steps: the rows of all of ``listed``.
    """
    known = set(listed)
    keep: list[AttemptKey] = []
    stale: list[AttemptKey] = []
    for key in listed:
        (keep if still_counts(attempts.get(key), steps.get(key[:2])) else stale).append(key)
    gone = [each for each in believed if (each.run, each.path, each.number) not in known]
    kept = [each for key in keep if (each := attempts.get(key)) is not None]
    stopping = [each for each in kept if isinstance(each.state, Stopping)]
    return Verdicts(tuple(keep), tuple(stale), tuple(gone), tuple(stopping))


def still_counts(attempt: Attempt | None, step: Step | None) -> bool:
    """Whether a report of the attempt could still change its step."""
    if attempt is None or step is None or step.is_final or step.latest != attempt.number:
        return False
    return attempt.is_live or (isinstance(attempt.state, AttemptEnded) and attempt.state.end is End.LOST)
