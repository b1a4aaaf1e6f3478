"""Options that several commands share."""

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

import click

from tidemill.assembly.signals import Ends

F = TypeVar("F", bound=Callable[..., Any])


class Output(Enum):
    PEOPLE = auto()
    JSON = auto()


def output_option(command: F) -> F:
    """``--json``, as ``output``."""
    return click.option(
        "--json",
        "output",
        is_flag=True,
        default=False,
        callback=lambda _ctx, _param, on: Output.JSON if on else Output.PEOPLE,
        help="Print JSON for programs.",
    )(command)


def url_option(command: F) -> F:
    return click.option("--url", help="The server.  [default: TIDEMILL_URL, or http://127.0.0.1:7070]")(command)


def data_option(command: F) -> F:
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="The data folder.  [default: TIDEMILL_DATA, or ./.tidemill]",
    )(command)


def ends_option(command: F) -> F:
    """Hidden ``--end-with-parent``, as ``ends``: for processes that another one of ours starts."""
    return click.option(
        "--end-with-parent",
        "ends",
        is_flag=True,
        default=False,
        hidden=True,
        callback=lambda _ctx, _param, on: Ends.WITH_PARENT if on else Ends.WHEN_TOLD,
    )(command)
