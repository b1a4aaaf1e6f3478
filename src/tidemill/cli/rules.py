"""Options of `tidemill run` about other runs, and about when this one begins."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

import click

from tidemill.cli.lengths import length
from tidemill.client.saying import SubmitOptions
from tidemill.core.rules import OnActive

F = TypeVar("F", bound=Callable[..., Any])

RULES = ("key", "unique", "on_active", "debounce", "delay", "start_at", "run_timeout")


def _moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write it as 2030-01-31T08:00:00Z") from None
    return at if at.tzinfo is not None else at.astimezone()


_OPTIONS = (
    click.option("--key", help="The same key and input again gives the same run; another input is refused."),
    click.option(
        "--unique", metavar="KEY", help="One run at a time has KEY: while it is not over, it is what you get."
    ),
    click.option(
        "--on-active",
        type=click.Choice([each.value for each in OnActive]),
        help="With --unique: what to do while that run is not over.  [default: return]",
    ),
    click.option(
        "--debounce",
        type=length,
        metavar="LENGTH",
        help="With --key: wait so long; the same key again replaces the input.",
    ),
    click.option("--delay", type=length, metavar="LENGTH", help="Begin so long from now: 30s, 20m, 2h, 7d."),
    click.option("--start-at", callback=_moment, help="Begin then: 2030-01-31T08:00:00Z."),
    click.option("--run-timeout", type=length, metavar="LENGTH", help="Fail it when it is not over so long after."),
)


def spoken(name: str) -> str:
    """An option's name, without its dashes in front."""
    return name.replace("_", "-")


def rule_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def rules_of(given: Mapping[str, Any]) -> SubmitOptions:
    """What was said of them, as options of a client."""
    said: dict[str, Any] = {name: given[name] for name in RULES if given.get(name) is not None}
    if "on_active" in said:
        said["on_active"] = OnActive(said["on_active"])
    return cast(SubmitOptions, said)
