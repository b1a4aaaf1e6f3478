"""What a run that is being watched waits for, told once each: nobody should watch it do nothing and not know why."""

from collections.abc import Sequence
from typing import Any

from tidemill.cli.signals import what_of
from tidemill.client.remote import AsyncRun
from tidemill.wire.api import StepView
from tidemill.wire.waiting import WaitView


class Asked:
    def __init__(self, run: AsyncRun[Any]) -> None:
        self._run, self._told = run, set[str]()

    async def lines(self, steps: Sequence[StepView]) -> list[str]:
        """One for each wait that is new among these steps."""
        new = {step.path for step in steps if step.kind == "wait" and step.status == "waiting"} - self._told
        if not new:
            return []
        self._told |= new
        return [line_of(wait) for wait in await self._run.waits() if wait.step in new and wait.closed is None]


def line_of(wait: WaitView) -> str:
    if wait.kind != "approval":
        until = f" until {wait.until_at[:19].replace('T', ' ')} UTC" if wait.until_at else ""
        return f"◌ {wait.step} waits for {what_of(wait)}{until}"
    return f"◌ {wait.step} asks: {wait.question} {' or '.join(wait.choices)}? Answer on its page, or: tidemill approve"
