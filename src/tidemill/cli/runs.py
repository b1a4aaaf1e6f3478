"""`tidemill runs`: lists, one run, cancel, logs."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import check_step, run_of
from tidemill.cli.breaks import inputs, value
from tidemill.cli.carrying import export, import_
from tidemill.cli.control import change_of, change_options, change_run, stop_run, tag_option, with_run
from tidemill.cli.data import data, data_lines
from tidemill.cli.ending import tell_adjustments, tell_failure
from tidemill.cli.lengths import length
from tidemill.cli.main import Exit
from tidemill.cli.measures import lines_of_attempts
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.outline import Outline, lines_of_outline, seconds_between, summary_of
from tidemill.cli.pruning import prune
from tidemill.cli.show import span, table
from tidemill.cli.sources import write_or_print
from tidemill.cli.statuses import Status
from tidemill.cli.streaming import print_items
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.core.run import STATUSES
from tidemill.graphs.view import Picture
from tidemill.wire.api import AttemptView, EmittedView, LogLineView, RunPage, RunView

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "STDOUT", "STDERR")
LOOK_S = 0.5


@click.group()
def runs() -> None:
    """List runs, look at one, cancel it, read its logs.

    The beginning of a run's id is enough, where no other one begins so.
    """


runs.add_command(inputs)
runs.add_command(value)
runs.add_command(data)
runs.add_command(prune)
runs.add_command(export)
runs.add_command(import_)


@runs.command("list")
@click.option("--status", multiple=True, type=Status(STATUSES), help="Only runs that stand like this.")
@click.option("--workflow", default="", help="Only runs of this workflow or task.")
@tag_option("--tag", "tags", help="Only runs that have this tag; may be repeated.")
@click.option("--older-than", type=length, metavar="LENGTH", help="Only runs that were submitted so long ago: 2h, 7d.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@click.option("--before", default="", help="Only older runs than this one.")
@url_option
@output_option
def list_runs(url: str | None, output: Output, limit: int, **query: object) -> None:
    """Newest first. With --json: {"runs": [...], "next": "..."}."""

    async def page(client: AsyncClient) -> RunPage:
        given = {name: value for name, value in query.items() if value}
        return await client.runs(limit=limit, **given)  # type: ignore[arg-type]  # click has checked them

    found = ask(url, page)
    if output is Output.JSON:
        print_json(found)
        return
    for line in table([_row(each) for each in found.runs], ("run", "workflow", "status", "began (UTC)", "took")):
        click.echo(line)
    if found.next:
        click.echo(f"older ones: --before {found.next}")


def _row(view: RunView) -> tuple[str, ...]:
    took = seconds_between(view.created_at, view.ended_at)
    began = view.created_at[:19].replace("T", " ")
    return view.id, view.workflow, view.status, began, "" if took is None else span(took)


@runs.command()
@click.argument("run")
@click.option("--metrics", is_flag=True, help="What each attempt took and measured, too.")
@click.option("--picture", is_flag=True, help="Its graph as it stands, as SVG.")
@click.option("--timeline", is_flag=True, help="When its steps ran, as SVG.")
@click.option("-o", "--output", "to", type=click.Path(dir_okay=False, path_type=Path), help="Where a picture goes.")
@url_option
@output_option
def show(run: str, url: str | None, output: Output, metrics: object, **picture: Any) -> None:
    """One run with its steps. With --json: {"run": {...}, "steps": [...]}; what lies inside a map is left out.

    Of a machine, visits of its states stand in order, each with how it ended and where it led ("visits" in JSON).

    --metrics adds what the first 1,000 attempts took and measured.
    """
    if picture["picture"] or picture["timeline"]:
        _draw(run, url, "timeline" if picture["timeline"] else "graph", picture["to"])
        return
    if picture["to"] is not None:
        raise click.UsageError("-o is where a picture goes: add --picture or --timeline")

    async def look(client: AsyncClient) -> tuple[RunView, Outline, Sequence[AttemptView], dict[str, Any]]:
        found: AsyncRun[object] = await run_of(client, run)
        attempts, outline = await found.attempts() if metrics else (), Outline(found)
        await outline.read()
        return await found.view(), outline, attempts, await found.data()

    view, outline, attempts, own = ask(url, look)
    steps, visits = outline.steps, list(outline.visits.values())
    if output is Output.JSON:
        told: dict[str, Any] = {"attempts": attempts} if metrics else {}
        told |= ({"visits": visits} if visits else {}) | ({"data": own} if own else {})
        print_json({"run": view, "steps": steps, **told})
        return
    click.echo(f"{view.workflow} {summary_of(view)}")
    tell_failure(view)
    tell_adjustments(view)
    lines = (*lines_of_outline(steps, outline.visits), *lines_of_attempts(attempts), *data_lines(own, {}))
    for line in lines:
        click.echo(line)


def _draw(run: str, url: str | None, what: str, to: Path | None) -> None:
    async def drawn(client: AsyncClient) -> Picture:
        found: AsyncRun[object] = await run_of(client, run)
        return await (found.timeline() if what == "timeline" else found.picture())

    write_or_print(ask(url, drawn).svg, to)


@runs.command()
@click.argument("run")
@click.option("--reason", default="", help="Is kept with the run.")
@url_option
@output_option
def cancel(run: str, reason: str, url: str | None, output: Output) -> None:
    """Ask a run to stop, and wait until each of its steps has. With --json: the run."""
    view = ask(url, lambda client: with_run(client, run, lambda found: stop_run(found, reason)))
    if output is Output.JSON:
        print_json(view)
    else:
        click.echo(f"{view.workflow} {summary_of(view)}")


@runs.command("set")
@click.argument("run")
@change_options("--tag")
@url_option
@output_option
def set_run(run: str, url: str | None, output: Output, **given: Any) -> None:
    """Change priority and tags of a run that is not over; what is queued takes its new place. With --json: the run."""
    change = change_of(given)
    view = ask(url, lambda client: with_run(client, run, lambda found: change_run(found, change)))
    if output is Output.JSON:
        print_json(view)
    else:
        tags = "".join(f", {name}={text}" for name, text in view.tags.items())
        click.echo(f"run {view.id} has priority {view.priority}{tags}")


@runs.command()
@click.argument("run")
@click.option("--step", "path", default=None, help="Only of this step, by its path.")
@click.option("--search", default="", help="Only lines with this text, in any case.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), default=None, help="Of this level, or worse.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@url_option
@output_option
def logs(run: str, url: str | None, output: Output, follow: object, **wanted: str | None) -> Exit:
    """What a run's tasks logged and printed. With --json: one object on each line."""

    async def read(client: AsyncClient) -> None:
        found: AsyncRun[object] = await run_of(client, run)
        given = {name: value for name, value in wanted.items() if value}
        lines, is_empty = _following(found, given) if follow else _so_far(found, given), True
        async for line in lines:
            is_empty = False
            if output is Output.JSON:
                print_json(line)
            else:
                click.echo(f"{line.at[11:23]} {line.path} {line.level:<7} {line.text}")
        if is_empty and "path" in given:
            await check_step(found, given["path"])

    ask(url, read)
    return Exit.OK


@runs.command()
@click.argument("run")
@click.option("--step", default="", help="Of this step, by its path.  [default: the one that gives the run's result]")
@click.option("--from", "offset", type=click.IntRange(0), default=0, help="Index of the first item.")
@click.option("--attempt", type=click.IntRange(1), default=None, help="Items of this attempt only, superseded or not.")
@url_option
@output_option
def stream(run: str, url: str | None, output: Output, step: str, **place: int | None) -> Exit:
    """The items of a run's stream, while they come and after. With --json: one object on each line."""

    async def read(client: AsyncClient) -> RunView:
        found: AsyncRun[list[object]] = await run_of(client, run)
        await print_items(found, output, path=step, offset=place["offset"] or 0, attempt=place["attempt"] or 0)
        return await found.view()

    view = ask(url, read)
    if output is Output.PEOPLE:
        tell_failure(view)
    return Exit.FAILED if view.failure else Exit.OK


@runs.command()
@click.argument("run")
@click.option("--type", "kind", default="", help="Only events of this type.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only events after this number.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@url_option
@output_option
def events(run: str, kind: str, url: str | None, output: Output, **how: int) -> Exit:
    """What a run's tasks told of by ctx.emit. With --json: one object on each line."""

    async def read(client: AsyncClient) -> None:
        found: AsyncRun[object] = await run_of(client, run)
        told = found.emitted(kind, how["after"]) if how["follow"] else _told_so_far(found, kind, how["after"])
        async for event in told:
            if output is Output.JSON:
                print_json(event)
            else:
                payload = "" if event.payload is None else f"  {msgspec.json.encode(event.payload).decode()}"
                click.echo(f"{event.number:>5}  {event.at[11:23]} {event.path} {event.type}  {event.message}{payload}")

    ask(url, read)
    return Exit.OK


async def _told_so_far(run: AsyncRun[object], kind: str, after: int) -> AsyncIterator[EmittedView]:
    for event in await run.emitted_so_far(kind, after):
        yield event


async def _so_far(run: AsyncRun[object], wanted: Mapping[str, str]) -> AsyncIterator[LogLineView]:
    for line in await run.logs(**wanted):  # type: ignore[arg-type]  # click has checked them
        yield line


async def _following(run: AsyncRun[object], wanted: Mapping[str, str]) -> AsyncIterator[LogLineView]:
    after = 0
    while True:
        has_ended = bool((await run.view()).ended_at)  # before the lines, so that none is missed
        for line in await run.logs(after=after, **wanted):
            after = line.seq
            yield line
        if has_ended:
            return
        await asyncio.sleep(LOOK_S)
