"""`tidemill schedules`: rules that start runs."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from msgspec.structs import replace

from tidemill.cli.asking import ask, print_json
from tidemill.cli.main import Exit
from tidemill.cli.named import plain_inputs
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.core.recurrence import CatchUp, Overlap
from tidemill.wire.schedules import DueList, FireView, ScheduleSpec, ScheduleView

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PASSES = {"ignore_unknown_options": True}


class LengthType(click.ParamType[float]):
    """`90`, `90s`, `15m`, `2h`, `1d`: seconds."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, unit = (value[:-1], _UNITS[value[-1]]) if value[-1:] in _UNITS else (value, 1)
        try:
            return float(number) * unit
        except ValueError:
            self.fail(f"{value!r} is no length like 90s, 15m, 2h or 1d", param, ctx)


class InstantType(click.ParamType[datetime]):
    """RFC 3339; without an offset it is in UTC."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant like 2026-03-01, or 2026-03-01T02:00:00+01:00", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


LENGTH, INSTANT = LengthType(), InstantType()


@click.group()
def schedules() -> None:
    """Rules that start runs: list, add, change, pause, trigger, fill what is missing."""


def _terms(command: F) -> F:
    """When it fires, and what it does when things get in the way; what is not given is None or empty."""
    for option in (
        click.option("--cron", help="Five fields, six with seconds first, or @daily and the like."),
        click.option("--every", "every_s", type=LENGTH, help="90s, 15m, 2h, 1d."),
        click.option("--at", type=INSTANT, help="Once, at an instant."),
        click.option("--zone", help="Of the IANA database, such as Europe/Berlin.  [default: UTC]"),
        click.option("--anchor", "anchor_at", type=INSTANT, help="An instant from which --every is counted."),
        click.option("--start", "start_at", type=INSTANT, help="Nothing is due before."),
        click.option("--end", "end_at", type=INSTANT, help="Nothing is due after."),
        click.option("--overlap", type=click.Choice(Overlap, case_sensitive=False), help="While a run goes on."),
        click.option("--queue-limit", type=click.IntRange(1), help="How many may wait, with --overlap queue."),
        click.option(
            "--catch-up", type=click.Choice(CatchUp, case_sensitive=False), help="On what no server was there for."
        ),
        click.option("--window", "catch_up_window_s", type=LENGTH, help="How old these may be.  [default: 1d]"),
        click.option("--jitter", "jitter_s", type=LENGTH, help="Start up to so much later."),
        click.option("--priority", type=int, help="Of the runs."),
        click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Of the runs; may be repeated."),
    ):
        command = option(command)
    return command


@schedules.command("add", context_settings=_PASSES)
@click.argument("name")
@click.argument("target")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
@_terms
@url_option
@output_option
def add(name: str, target: str, url: str | None, output: Output, rest: Sequence[str], **given: Any) -> None:
    """Make one that starts TARGET, a task's or workflow's name; its inputs follow: --param value, or @file.json.

    In inputs, $due_at, $due_date and $schedule stand for the due instant, its date and the name; quote them for the
    shell. With --json: the schedule.
    """
    inputs = plain_inputs(rest)

    async def made(client: AsyncClient) -> ScheduleView:
        spec = replace(ScheduleSpec(target), **_said(given), input=inputs)
        return await client.schedules.put_spec(name, spec, revision=0)

    _tell(ask(url, made), output)


@schedules.command("edit", context_settings=_PASSES)
@click.argument("name")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
@click.option("--target", help="Another task or workflow.")
@_terms
@url_option
@output_option
def edit(name: str, url: str | None, output: Output, rest: Sequence[str], **given: Any) -> None:
    """Change what is given, and nothing else: inputs parameter by parameter. Another rule counts from now on.

    With --json: the schedule.
    """
    inputs, said = plain_inputs(rest), _said(given)
    if said.keys() & {"cron", "every_s", "at"}:
        said = {"cron": "", "every_s": 0.0, "at": "", "anchor_at": ""} | said

    async def changed(client: AsyncClient) -> ScheduleView:
        found = await client.schedules.get(name)
        merged = {**(found.spec.input or {}), **inputs} if inputs else found.spec.input
        return await client.schedules.put_spec(name, replace(found.spec, **said, input=merged), found.revision)

    _tell(ask(url, changed), output)


@schedules.command("list")
@url_option
@output_option
def list_schedules(url: str | None, output: Output) -> None:
    """By name. With --json: {"schedules": [...]}."""
    found = ask(url, lambda client: client.schedules.list())
    if output is Output.JSON:
        print_json({"schedules": found})
        return
    rows = [(each.name, each.spec.target, rule_of(each.spec), each.status, _short(each.next)) for each in found]
    for line in table(rows, ("schedule", "starts", "rule", "state", "next (UTC)")):
        click.echo(line)


@schedules.command("show")
@click.argument("name")
@url_option
@output_option
def show(name: str, url: str | None, output: Output) -> None:
    """One, with its next ten instants. With --json: the schedule."""
    _tell(ask(url, lambda client: client.schedules.get(name)), output)


@schedules.command("pause")
@click.argument("name")
@click.option("--reason", default="", help="Is kept with it.")
@url_option
@output_option
def pause(name: str, reason: str, url: str | None, output: Output) -> None:
    """Nothing is due until it is resumed; runs and backfills go on. With --json: the schedule."""
    _tell(ask(url, lambda client: client.schedules.pause(name, reason)), output)


@schedules.command("resume")
@click.argument("name")
@url_option
@output_option
def resume(name: str, url: str | None, output: Output) -> None:
    """Go on from now; what was due in between is missed. With --json: the schedule."""
    _tell(ask(url, lambda client: client.schedules.resume(name)), output)


@schedules.command("trigger")
@click.argument("name")
@click.option("--due-at", type=INSTANT, help="For this instant instead of now; one that has a run keeps it.")
@click.option("--overlap", type=click.Choice(Overlap, case_sensitive=False), help="For this once.")
@url_option
@output_option
def trigger(name: str, due_at: datetime | None, overlap: Overlap | None, url: str | None, output: Output) -> Exit:
    """Fire now, paused or not. The exit code is 1 when nothing started and nothing waits. With --json: its line."""
    line = ask(url, lambda client: client.schedules.trigger(name, due_at, overlap))
    if output is Output.JSON:
        print_json(line)
    else:
        click.echo(_line(line))
    return Exit.OK if line.kind in ("started", "there", "waits") else Exit.FAILED


@schedules.command("backfill")
@click.argument("name")
@click.option("--from", "start", type=INSTANT, required=True, help="The first instant.")
@click.option("--to", "end", type=INSTANT, required=True, help="The last one, included.")
@click.option("--at-once", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs at a time.")
@click.option("--dry-run", is_flag=True, help="Only say which instants these are.")
@url_option
@output_option
def backfill(name: str, url: str | None, output: Output, dry_run: object, **span: Any) -> None:
    """Have a run for each due instant of a range that has none. With --json: {"due": [{"due_at", "run"}], "more"}."""

    def question(client: AsyncClient) -> Awaitable[DueList]:
        if dry_run:
            return client.schedules.rehearse_backfill(name, span["start"], span["end"])
        return client.schedules.backfill(name, span["start"], span["end"], span["at_once"])

    _tell_due(ask(url, question), output)


@schedules.command("next")
@click.argument("name")
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@click.option("--after", type=INSTANT, help="Later than this instant.  [default: now]")
@url_option
@output_option
def next_(name: str, count: int, after: datetime | None, url: str | None, output: Output) -> None:
    """When it is due next. With --json: {"due": [{"due_at"}], "more"}."""
    _tell_due(ask(url, lambda client: client.schedules.due(name, count, after)), output)


@schedules.command("history")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at most.")
@click.option("--before", type=click.IntRange(1), default=None, help="Only lines before this one.")
@url_option
@output_option
def history(name: str, limit: int, before: int | None, url: str | None, output: Output) -> None:
    """What became of each due instant, newest first. With --json: {"fires": [...], "next": number}."""
    found = ask(url, lambda client: client.schedules.fires(name, before or 0, limit))
    if output is Output.JSON:
        print_json(found)
        return
    for line in found.fires:
        click.echo(_line(line))
    if found.next:
        click.echo(f"older ones: --before {found.next}")


@schedules.command("remove")
@click.argument("name")
@url_option
@output_option
def remove(name: str, url: str | None, output: Output) -> None:
    """Its runs go on; its history goes with it. With --json: {"removed": NAME}."""
    ask(url, lambda client: client.schedules.remove(name))
    if output is Output.JSON:
        print_json({"removed": name})
    else:
        click.echo(f"{name} is removed")


# Parts ---------------------------------------------------------------------------------------------


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """What the options say, as fields of a spec."""
    said = {name: value for name, value in given.items() if value not in (None, ())}
    for name, value in said.items():
        if isinstance(value, datetime):
            said[name] = value.isoformat()
    if "tags" in said:
        said["tags"] = dict(_pair(each) for each in said["tags"])
    return said


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--tag")
    return name, value


def rule_of(spec: ScheduleSpec) -> str:
    """In few words."""
    if spec.cron:
        return f"{spec.cron} {spec.zone}"
    return f"every {timedelta(seconds=spec.every_s)}" if spec.every_s else f"once at {_moment(spec.at)}"


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")


def _short(instants: Sequence[str]) -> str:
    return _moment(instants[0]) if instants else ""


def _tell(view: ScheduleView, output: Output) -> None:
    if output is Output.JSON:
        print_json(view)
        return
    spec = view.spec
    reason = f" ({view.reason})" if view.reason else ""
    click.echo(f"{view.name} starts {spec.target}, {rule_of(spec)}: {view.status}{reason}")
    facts = {
        "overlap": spec.overlap.value,
        "catch up": f"{spec.catch_up.value}, of the last {timedelta(seconds=spec.catch_up_window_s)}",
        "inputs": ", ".join(f"{name}={value}" for name, value in (spec.input or {}).items()),
        "running": ", ".join(view.running),
        "waiting": ", ".join(map(_moment, view.waiting)),
        "backfill": f"{view.backfill.from_at} to {view.backfill.until_at}" if view.backfill else "",
        "last": _line(view.last) if view.last else "",
        "next": "\n            ".join(map(_moment, view.next)),
    }
    for name, text in facts.items():
        if text:
            click.echo(f"  {name:<10}{text}")


def _tell_due(found: DueList, output: Output) -> None:
    if output is Output.JSON:
        print_json(found)
        return
    for each in found.due:
        click.echo(f"{_moment(each.due_at)}  {each.run and f'has run {each.run}'}".rstrip())
    if found.more:
        click.echo("and more")
    if not found.due:
        click.echo("nothing is due")


def _line(fire: FireView) -> str:
    times = f" and {fire.count - 1} more until {_moment(fire.last_due_at)}" if fire.count > 1 else ""
    cause = "" if fire.cause == "rule" else f"({fire.cause}) "
    return f"{fire.number:>5}  {_moment(fire.due_at)}{times}  {fire.kind} {cause}{fire.run} {fire.detail}".rstrip()
