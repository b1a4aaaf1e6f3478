"""Write, run, repair: a formula is found from pairs of numbers, by what is wrong with the ones before.

`write` begins with one pair and proposes the smallest formula that fits it. `run` tries that on all pairs. The first
that it gets wrong is one more pair that the next formula has to fit.
"""

from dataclasses import dataclass
from itertools import product

from tidemill import Backend, PermanentError, StateMachine, Worker

Pair = tuple[int, int]  # what goes in, and what should come out

repair = Worker("repair")

LEAVES = ("x", "1", "2", "3", "5")
SIZES = 4  # operators in a formula, at most


@dataclass
class Verdict:
    formula: str
    known: list[Pair]  # what the next formula has to fit
    wrong: Pair | None = None


def formulas(size: int) -> list[str]:
    """All formulas with so many operators."""
    if not size:
        return list(LEAVES)
    found = []
    for left in range(size):
        parts = product(formulas(left), "+-*", formulas(size - 1 - left))
        found += [f"({a} {op} {b})" for a, op, b in parts]
    return found


def value(formula: str, x: int) -> int:
    return int(eval(formula, {"__builtins__": {}}, {"x": x}))  # noqa: S307  # our own formulas, in a process of their own


@repair.task(timeout=60, backend=Backend.PROCESS)
def propose(pairs: list[Pair], last: Verdict | None) -> str:
    """The smallest formula that fits what is known."""
    known = last.known if last else pairs[:1]
    for size in range(SIZES + 1):
        for formula in formulas(size):
            if all(value(formula, x) == y for x, y in known):
                return formula
    raise PermanentError(f"no formula with {SIZES} operators fits {known}")


@repair.task(timeout=10, backend=Backend.PROCESS)
def try_out(formula: str, pairs: list[Pair], last: Verdict | None) -> Verdict:
    """Try a formula on all pairs; the first that it gets wrong is known from now on."""
    known = last.known if last else pairs[:1]
    for x, y in pairs:
        if value(formula, x) != y:
            return Verdict(formula, [*known, (x, y)], (x, y))
    return Verdict(formula, known)


search = StateMachine("search", doc="Find a formula that fits pairs of numbers.")
SAMPLE = [(0, 1), (1, 3), (2, 7), (3, 13), (10, 111)]


@search.state
def write(pairs: list[Pair] = SAMPLE, last: Verdict | None = search.previous("run", Verdict)) -> str:
    return propose(pairs, last)


@search.state
def run(
    pairs: list[Pair] = SAMPLE,
    formula: str = write.output,
    last: Verdict | None = search.previous("run", Verdict),
) -> Verdict:
    return try_out(formula, pairs, last)


write.otherwise(to=run)
run.when(run.output.wrong == None, to=search.end("success", output=run.output.formula))  # noqa: E711  # a condition
run.otherwise(to=write, max_visits=50)
