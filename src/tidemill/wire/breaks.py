"""Bodies about runs that are looked at while they stand still."""

from typing import Any

from msgspec import Struct


class ContinueRequest(Struct, frozen=True, omit_defaults=True):
    """Let steps at a breakpoint begin: those of ``paths``, or all. ``step``: the next ones stop, whatever they are.

    ``breakpoints`` replaces those of the run; null leaves them.
    """

    paths: tuple[str, ...] = ()
    step: bool = False
    breakpoints: tuple[str, ...] | None = None


class Stopped(Struct, frozen=True, omit_defaults=True):
    """The steps of a run that stand at a breakpoint; ``more``: further ones are not listed."""

    run: str
    status: str
    paths: tuple[str, ...]
    breakpoints: tuple[str, ...] = ()
    more: bool = False


class StepInputs(Struct, frozen=True):
    """What a step is given, by parameter, as plain data."""

    path: str
    inputs: dict[str, Any]
