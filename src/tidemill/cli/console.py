"""What a long-running process says on its standard error."""

import logging
import sys
from collections.abc import Callable

import click

COLOURS = ("cyan", "magenta", "yellow", "green", "blue")


class _Ours(logging.Filter):
    """Not what a task logs, for that goes to its attempt; of others only what is worth a look."""

    def __init__(self, speaking: Callable[[], object]) -> None:
        super().__init__()
        self._speaking = speaking

    def filter(self, record: logging.LogRecord) -> bool:
        if self._speaking() is not None:
            return False
        return record.levelno >= logging.WARNING or record.name.startswith("tidemill")


def log_to_console(speaking: Callable[[], object] = lambda: None) -> None:
    """``speaking`` says whether a task's code runs in this context."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.addFilter(_Ours(speaking))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def line_printer(name: str, width: int, number: int) -> Callable[[str], None]:
    """Prints each line with a name before it, in the colour of the ``number``-th who speaks."""
    label = click.style(name.ljust(width), fg=COLOURS[number % len(COLOURS)])
    return lambda line: click.echo(f"{label} | {line}")
