"""What versions since the one of workflows have: waits, a machine of states."""

from datetime import timedelta
from typing import Literal

from tests.upgrade.yard import quick, slow
from tidemill import Approval, StateMachine, approval, branch, sleep_for, wait_signal, workflow


@workflow
def paid() -> int:
    return quick(wait_signal("paid", int, within=timedelta(days=3650)))


@workflow
def paid_early(x: int) -> int:
    """The signal comes while the first step runs."""
    return quick(wait_signal("paid", int, within=timedelta(days=3650), after=slow(x)))


@workflow
def napping(x: int) -> int:
    return sleep_for(timedelta(seconds=3), then=lambda: quick(x))


@workflow
def asking(x: int) -> int:
    answer: Approval[Literal["yes", "no"]] = approval("Go on?", choices=("yes", "no"), within=timedelta(days=3650))
    return branch(answer.choice == "yes", then=lambda: quick(x), otherwise=lambda: 0)


machine = StateMachine("machine")


@machine.state
def first(x: int) -> int:
    return quick(x)


@machine.state
def second(x: int = first.output) -> int:
    return slow(x)


first.otherwise(to=second)
second.otherwise(to=machine.end("success", output=second.output))
