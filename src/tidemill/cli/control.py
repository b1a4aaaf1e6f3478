"""`tidemill cancel`, `pause`, `resume` and `set`: one run, all that a filter finds, or a task, a queue, a worker."""

import getpass
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.lengths import length
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.outline import summary_of
from tidemill.cli.show import table
from tidemill.cli.statuses import Status
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.core.run import UNFINISHED
from tidemill.wire.api import RunView
from tidemill.wire.control import BulkAction, BulkRequest, PauseView, RunChange

F = TypeVar("F", bound=Callable[..., Any])
SHOWN = 20
FILTERS = ("workflow", "statuses", "tags", "older_than")


def pairs(_ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{each!r} is not NAME=TEXT", param=param)
        found[name] = text
    return found


def tag_option(*names: str, **more: Any) -> Callable[[F], F]:
    return click.option(*names, multiple=True, callback=pairs, metavar="NAME=TEXT", **more)


_FILTERS = (
    click.option("--workflow", default="", help="All runs of this workflow or task."),
    tag_option("--tag", "tags", help="That have this tag; may be repeated."),
    click.option("--older-than", type=length, metavar="LENGTH", help="Submitted so long ago: 20m, 2h, 7d."),
    click.option("--dry-run", is_flag=True, help="Say how many and which, and touch none."),
    click.option("--yes", is_flag=True, help="Do not ask when there is more than one."),
)


def filter_options(command: F) -> F:
    """Of runs that are not over."""
    return filters_of(UNFINISHED)(command)


def filters_of(statuses: Sequence[str]) -> Callable[[F], F]:
    def add(command: F) -> F:
        stand = click.option("--status", "statuses", multiple=True, type=Status(statuses), help="That stand like this.")
        for option in reversed((_FILTERS[0], stand, *_FILTERS[1:])):
            command = option(command)
        return command

    return add


_reason = click.option("--reason", default="", help="Is kept, and shown to those who ask.")


def change_options(*tag_names: str) -> Callable[[F], F]:
    def add(command: F) -> F:
        command = click.option("--untag", multiple=True, metavar="NAME", help="Take this tag away.")(command)
        command = tag_option(*tag_names, "new_tags", help="Give this tag; may be repeated.")(command)
        return click.option("--priority", type=int, help="What is queued is put into its new order.")(command)

    return add


@click.command()
@click.argument("run", required=False)
@filter_options
@_reason
@url_option
@output_option
def cancel(run: str | None, **given: Any) -> Exit:
    """Ask a run to stop, and wait until it has; or ask all that the filters find.

    With --json: the run, or {"count", "runs": [...]} with the first 20.
    """
    return act(BulkAction.CANCEL, run, given, lambda run: stop_run(run, given["reason"]))


def _paused(command: F) -> F:
    for kind in ("worker", "queue", "task"):
        command = click.option(f"--{kind}", default="", help=f"Not a run, but a {kind}, by its name.")(command)
    return command


@click.command()
@click.argument("run", required=False)
@_paused
@filter_options
@_reason
@url_option
@output_option
def pause(run: str | None, **given: Any) -> Exit:
    """Let nothing new start: of a run, a task, a queue, a worker, or of all runs that the filters find.

    What runs goes on, and is recorded. With nothing said, it lists the tasks, queues and workers that are paused. With
    --json: the run, what is paused, or {"count", "runs": [...]} with the first 20.
    """
    who = getpass.getuser()
    if (named := _named(run, given)) is not None:
        return _tell_pause(ask(given["url"], lambda c: c.pause(**named, by=who, reason=given["reason"])), given)
    if run is None and not _has_filter(given):
        return _list(given)
    return act(BulkAction.PAUSE, run, given, lambda run: run.pause(given["reason"], by=who), who)


@click.command()
@click.argument("run", required=False)
@_paused
@filter_options
@url_option
@output_option
def resume(run: str | None, **given: Any) -> Exit:
    """Let go on what was paused: a run, a task, a queue, a worker, or all runs that the filters find.

    With --json: the run, what was resumed, or {"count", "runs": [...]} with the first 20.
    """
    if (named := _named(run, given)) is not None:
        return _tell_pause(ask(given["url"], lambda client: client.resume(**named)), given)
    return act(BulkAction.RESUME, run, given, lambda run: run.resume())


@click.command(name="set")
@click.argument("run", required=False)
@change_options("--set-tag")
@filter_options
@url_option
@output_option
def set_(run: str | None, **given: Any) -> Exit:
    """Change priority and tags of a run that is not over, or of all that the filters find.

    With --json: the run, or {"count", "runs": [...]} with the first 20.
    """
    change = change_of(given)
    return act(BulkAction.SET, run, given | {"change": change}, lambda run: change_run(run, change))


def change_of(given: Mapping[str, Any]) -> RunChange:
    change = RunChange(given["priority"], given["new_tags"], given["untag"])
    if change == RunChange():
        raise click.UsageError("say what to change: --priority, a tag to give, or --untag")
    return change


async def with_run(client: AsyncClient, text: str, what: Callable[[AsyncRun[Any]], Awaitable[RunView]]) -> RunView:
    """What is asked of a run, by its id or the beginning of it."""
    return await what(await run_of(client, text))


async def stop_run(run: AsyncRun[Any], reason: str) -> RunView:
    """Cancel it, and wait until each of its steps has stopped."""
    await run.cancel(reason)
    await run.ended()
    return await run.view()


async def change_run(run: AsyncRun[Any], change: RunChange) -> RunView:
    return await run.change(priority=change.priority, tags=change.tags, untag=change.untag)


# Tasks, queues, workers --------------------------------------------------------------------------------


def _named(run: str | None, given: Mapping[str, Any]) -> dict[str, str] | None:
    """The task, queue or worker that is meant."""
    named = {kind: given[kind] for kind in ("task", "queue", "worker") if given[kind]}
    if not named:
        return None
    if run is not None or len(named) > 1 or _has_filter(given):
        raise click.UsageError("name one thing: a RUN, --task, --queue, --worker, or filters of runs")
    return named


def _tell_pause(view: PauseView, given: Mapping[str, Any]) -> Exit:
    if given["output"] is Output.JSON:
        print_json(view)
    elif view.is_paused:
        since = view.since[:19].replace("T", " ")
        click.echo(f"{view.kind} {view.name} is paused since {since} UTC: tidemill resume --{view.kind} {view.name}")
    else:
        click.echo(f"{view.kind} {view.name} goes on")
    return Exit.OK


def _list(given: Mapping[str, Any]) -> Exit:
    found = ask(given["url"], AsyncClient.pauses)
    if given["output"] is Output.JSON:
        print_json({"pauses": found})
        return Exit.OK
    rows = [(each.kind, each.name, each.since[:19].replace("T", " "), each.by, each.reason) for each in found]
    for line in table(rows, ("paused", "name", "since (UTC)", "by", "reason")):
        click.echo(line)
    return Exit.OK


# Runs --------------------------------------------------------------------------------------------------


def _has_filter(given: Mapping[str, Any]) -> bool:
    return any(given[name] for name in FILTERS)


def act(
    action: BulkAction,
    run: str | None,
    given: Mapping[str, Any],
    one: Callable[[AsyncRun[Any]], Awaitable[RunView]],
    by: str = "",
) -> Exit:
    """To one run what ``one`` does; else to all that the filters find."""
    if run is not None:
        if _has_filter(given) or given["dry_run"]:
            raise click.UsageError("name a RUN, or give filters; not both")
        return _tell_run(ask(given["url"], lambda client: with_run(client, run, one)), given)
    if not _has_filter(given):
        raise click.UsageError(f"name a RUN, or say which, as in: tidemill {action.value} --tag team=a --dry-run")
    request = BulkRequest(
        action,
        workflow=given["workflow"],
        statuses=given["statuses"],
        tags=given["tags"],
        older_than_s=given["older_than"] or 0.0,
        dry_run=True,
        by=by,
        reason=given.get("reason", ""),
        change=given.get("change"),
    )
    return _act_on_all(request, given)


def _tell_run(view: RunView, given: Mapping[str, Any]) -> Exit:
    if given["output"] is Output.JSON:
        print_json(view)
    else:
        click.echo(f"{view.workflow} {summary_of(view)}")
    return Exit.OK


def _act_on_all(request: BulkRequest, given: Mapping[str, Any]) -> Exit:
    from msgspec.structs import replace

    if given["dry_run"] or _must_ask(given):
        count, runs = ask(given["url"], lambda client: _all(client, request, 0))
        if given["dry_run"]:
            _tell_all(request, count, runs, given, "would be touched")
            return Exit.OK
        _tell_all(request, count, runs, given, "will be touched")
        if count > 1:
            click.confirm(f"{request.action.value} these {count:,} runs?", abort=True, err=True)
    count, runs = ask(given["url"], lambda client: _all(client, replace(request, dry_run=False), SHOWN * 10))
    _tell_all(request, count, runs, given, "done")
    return Exit.OK


def _must_ask(given: Mapping[str, Any]) -> bool:
    return sys.stdin.isatty() and not given["yes"] and given["output"] is not Output.JSON


async def _all(client: AsyncClient, request: BulkRequest, tell_every: int) -> tuple[int, list[RunView]]:
    """How many, and the first of them."""
    count, runs, stay = 0, list[RunView](), Counter[str]()
    async for bite in client.bulk(request):
        count += bite.count
        stay.update(bite.stay)
        runs += bite.runs[: SHOWN - len(runs)]
        if tell_every and bite.next:
            click.echo(f"{count:,} so far", err=True)
    for why, number in stay.most_common():
        click.echo(f"{number:,} stay: {why}", err=True)
    return count, runs


def _tell_all(request: BulkRequest, count: int, runs: list[RunView], given: Mapping[str, Any], how: str) -> None:
    if given["output"] is Output.JSON:
        print_json({"count": count, "runs": runs, "dry_run": how == "would be touched"})
        return
    if how != "done":
        rows = [(each.id, each.workflow, each.status, each.created_at[:19].replace("T", " ")) for each in runs]
        for line in table(rows, ("run", "workflow", "status", "began (UTC)")):
            click.echo(line)
        if count > len(runs):
            click.echo(f"… and {count - len(runs):,} more")
    click.echo(f"{request.action.value}: {count:,} run{'' if count == 1 else 's'} {how}")
