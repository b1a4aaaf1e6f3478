"""How the states of a machine lead to each other: what is reached, what can end, what was surely visited before."""

from collections.abc import Iterator, Mapping

from tidemill.core.graph import End, State, Transition
from tidemill.core.run import Code

SUCCESS = "success"
FAILURE = "failure"  # the status that stands for any failure
FAILURES = frozenset((FAILURE, *(code.value for code in Code)))  # statuses of states that failed

States = Mapping[str, State]


def reachable(states: States, start: str) -> set[str]:
    found, left = {start}, [start]
    while left:
        fresh = {name for name, _ in _steps(states[left.pop()])} - found
        found |= fresh
        left += sorted(fresh)
    return found


def endless(states: States) -> set[str]:
    """States with transitions from which no end is reached."""
    ending = {name for name, state in states.items() if any(isinstance(each.to, End) for each in state.transitions)}
    before = -1
    while before != len(ending):
        before = len(ending)
        ending |= {name for name, state in states.items() if any(to in ending for to, _ in _steps(state))}
    return {name for name, state in states.items() if state.transitions} - ending


def always_done(states: States, start: str) -> dict[str, set[str]]:
    """For each state, those that have surely ended well at least once when it is entered."""
    everything = set(states)
    done = {name: set() if name == start else set(everything) for name in states}
    changed = True
    while changed:
        changed = False
        for name, state in states.items():
            for to, transition in _steps(state):
                after = done[name] | (set() if transition.status in FAILURES else {name})
                if not done[to] <= after:
                    done[to] &= after
                    changed = True
    return done


def _steps(state: State) -> Iterator[tuple[str, Transition]]:
    return ((each.to, each) for each in state.transitions if isinstance(each.to, str))
