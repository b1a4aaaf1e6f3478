"""The worlds that seeds are drawn for, by name: what each runs, and what befalls it."""

import logging
from collections.abc import Callable

from msgspec.structs import replace

from tests.simulation import mill, together
from tests.simulation.flows import Flows
from tests.simulation.repertoire import Repertoire
from tests.simulation.workflows import Small
from tidemill.testing.simulation.plans import Case, shrink, swarm
from tidemill.testing.simulation.world import Outcome

FEW = Small(runs=4)

_REPERTOIRES: dict[str, Callable[[Case], Repertoire]] = {
    "": lambda _: mill.SMALL,
    "few": lambda _: FEW,
    "meddled": lambda _: mill.SMALL,
    "flows": lambda case: Flows(case.seed),
    "together": lambda _: mill.SMALL,
}
_MEDDLING = {"meddled": 0.6, "flows": 0.3}
Failure = tuple[str, int, Case]  # family, seed, and a small case; its note says what was wrong
FAMILIES = tuple(name for name in _REPERTOIRES if name)


def case_of(family: str, seed: int) -> Case:
    """``few``: four runs, for thousands of seeds. ``meddled``: nine, paused and reordered. ``flows``: random graphs.

    ``together``: two or three servers on one store.
    """
    hosts = together.STRUCK if family == "together" else mill.HOSTS
    case = swarm(f"{family}/{seed}" if family else str(seed), hosts)
    return replace(case, family=family, meddling=_MEDDLING.get(family, 0.0))


def run(case: Case) -> Outcome:
    repertoire = _REPERTOIRES[case.family](case)
    return together.run(case, repertoire) if case.family == "together" else mill.run(case, repertoire)


def failures_of(block: tuple[str, int, int]) -> list[Failure]:
    """Of a family, from a seed to before another; in a process of its own, for a simulation stops its clocks."""
    family, first, end = block
    logging.disable(logging.CRITICAL)
    cases = ((seed, case_of(family, seed)) for seed in range(first, end))
    return [(family, seed, small_case_of(case)) for seed, case in cases if run(case).failure]


def small_case_of(case: Case) -> Case:
    """With the fewest faults, and the fewest steps out of order, that still fail in the same way."""
    outcome = run(case)
    sign = _sign_of(outcome)
    small = shrink(case, outcome.moves, lambda fewer: _sign_of(run(fewer)) == sign)
    return replace(small, note=outcome.failure or "")


def _sign_of(outcome: Outcome) -> str:
    """What kind of failure it is: its first word, as P3, or the first few letters."""
    return (outcome.failure or "")[:3]
