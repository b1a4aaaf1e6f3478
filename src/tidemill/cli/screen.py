"""How a run is shown while it goes on: a live tree on a terminal, plain lines elsewhere, nothing for programs."""

import sys
from collections.abc import Sequence
from typing import Protocol

import click

from tidemill.cli.options import Output
from tidemill.cli.outline import MARKS, lines_of_outline, state_of
from tidemill.wire.api import StepView

STYLES = {"✓": "green", "✗": "red", "⊘": "yellow", "▸": "cyan", "·": "dim"}
FINAL = ("succeeded", "failed", "cancelled", "skipped")


class Screen(Protocol):
    def say(self, text: str) -> None: ...

    def uploaded(self, done: int, total: int) -> None: ...

    def show(self, steps: Sequence[StepView]) -> None: ...

    def close(self) -> None:
        """What was shown last stays."""
        ...


class SilentScreen:
    def say(self, text: str) -> None:
        """Programs read the result."""

    def uploaded(self, done: int, total: int) -> None:
        """The same."""

    def show(self, steps: Sequence[StepView]) -> None:
        """The same."""

    def close(self) -> None:
        """Nothing is open."""


class PlainScreen:
    """A line for each thing that changed; of a map, one for each tenth; of a loop, ever fewer rounds."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def say(self, text: str) -> None:
        click.echo(text)

    def uploaded(self, done: int, total: int) -> None:
        if done == total or done % max(total // 5, 1) == 0:
            click.echo(f"uploaded {done:,} of {total:,} files")

    def show(self, steps: Sequence[StepView]) -> None:
        loops = tuple(f"{step.path}[" for step in steps if "rounds" in step.elements)
        for step in steps:
            key = "" if step.path.startswith(loops) else _key(step)
            if key and self._said.get(step.path) != key:
                self._said[step.path] = key
                click.echo(f"{MARKS.get(step.status, '·')} {step.path}  {state_of(step)}".rstrip())

    def close(self) -> None:
        """Lines are not taken back."""


def _key(step: StepView) -> str:
    if "length" in step.elements:
        ended = step.elements.get("done", 0) + step.elements.get("failed", 0)
        return f"{step.status} {10 * ended // max(step.elements.get('length', 0), 1)}"
    if rounds := str(step.elements.get("rounds", "")):
        return f"{step.status} {rounds[0]} {len(rounds)}"
    return step.status if step.status in FINAL else ""


class TreeScreen:
    """The outline, drawn again in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False)
        self._is_live = False

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def uploaded(self, done: int, total: int) -> None:
        self._draw([f"▸ uploading  {done:,} of {total:,} files"])

    def show(self, steps: Sequence[StepView]) -> None:
        self._draw(list(lines_of_outline(steps)))

    def _draw(self, lines: Sequence[str]) -> None:
        from rich.text import Text

        if not self._is_live:
            self._live.start()
            self._is_live = True
        text = Text(no_wrap=True, overflow="ellipsis")
        for line in lines:
            text.append(line + "\n", STYLES.get(line[:1], ""))
        text.rstrip()
        self._live.update(text, refresh=True)

    def close(self) -> None:
        if self._is_live:
            self._live.stop()
            self._is_live = False


def screen_for(output: Output) -> Screen:
    if output is Output.JSON:
        return SilentScreen()
    return TreeScreen() if sys.stdout.isatty() else PlainScreen()
