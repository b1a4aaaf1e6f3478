"""Branches: the first arm whose condition holds opens. Functions over a `Mover`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.conditions import ConditionError, holds
from tidemill.core.errors import InputError
from tidemill.core.fill import Filler, LargeOperandError
from tidemill.core.graph import BranchNode
from tidemill.core.ids import Path
from tidemill.core.plan import join, scope_path
from tidemill.core.run import Code, Failure, Waiting
from tidemill.core.terms import Condition

if TYPE_CHECKING:
    from tidemill.core.moves import Mover


def judge(mover: "Mover", path: Path, node: BranchNode) -> None:
    """Open the first arm whose condition holds; fetch first what is too large to lie in a row."""
    holds_here = judged(mover, scope_path(path))
    try:
        arm = next((case.name for case in node.cases if case.when is None or holds_here(case.when)), None)
    except LargeOperandError as error:
        if mover.fetched:  # what was asked for has come
            mover.node_failed(path, Failure(Code.INTERNAL, str(error), path=path))
        else:
            mover.fetch(path)
        return
    except ConditionError as error:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, str(error), path=path))
        return
    if arm is None:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, "no case of the branch holds", path=path))
        return
    mover.fetched = {}
    mover.set_step(replace(mover.step(path), state=Waiting()))
    mover.note("branch_taken", path, arm=arm)
    mover.open_scope(join(path, arm))


def judged(mover: "Mover", scope: Path) -> Callable[[Condition], bool]:
    """Judges conditions that stand in the graph of a scope. Raises ConditionError, LargeOperandError."""
    filler = Filler(mover.resolver, mover.fetched)

    def judge_one(condition: Condition) -> bool:
        try:
            return holds(condition, lambda operand: filler.look(scope, operand))
        except ConditionError:
            raise
        except (InputError, TypeError) as error:
            raise ConditionError(condition, str(error)) from None

    return judge_one
