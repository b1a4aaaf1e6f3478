"""`tidemill tasks`, `workflows` and `workers`: what a server knows."""

from collections.abc import Awaitable, Sequence

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import worker_of
from tidemill.cli.main import Exit
from tidemill.cli.manifests import manifest_named
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.resources import listed
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.core.compat import Level
from tidemill.interface.diff import diff, document_of, level_of, lines_of
from tidemill.wire.api import TaskView, WorkerAttempt, WorkerDetail, WorkerView


@click.group(invoke_without_command=True)
@url_option
@output_option
@click.pass_context
def tasks(ctx: click.Context, url: str | None, output: Output) -> None:
    """Tasks that workers have announced. With --json: {"tasks": [...]}."""
    if ctx.invoked_subcommand is not None:
        return
    found = ask(url, AsyncClient.tasks)
    if output is Output.JSON:
        print_json({"tasks": found})
        return
    for line in table([_task(each) for each in found], ("task", "signature", "worker")):
        click.echo(line)


@tasks.command(name="diff")
@click.argument("old")
@click.argument("new")
@output_option
def tasks_diff(old: str, new: str, output: Output) -> Exit:
    """What callers of the tasks of OLD meet in NEW: compatible, widened or breaking, field by field.

    Each is a manifest's file (tidemill discover > x.json), a package of stubs, or a target as for `tidemill worker`.
    The exit code is 1 when something breaks. With --json: {"level", "tasks": [{"task", "change", "level", "changes"}]}.
    """
    found = diff(manifest_named(old), manifest_named(new))
    if output is Output.JSON:
        print_json(document_of(found))
    else:
        click.echo("\n".join(lines_of(found)) or "nothing has changed for callers")
    return Exit.FAILED if level_of(found) is Level.BREAKING else Exit.OK


def _task(view: TaskView) -> tuple[str, ...]:
    state = view.worker if view.live else f"{view.worker} (not connected)"
    if view.paused:
        state += f"; {view.paused.kind} {view.paused.name} is paused by {view.paused.by or 'an operator'}"
    return view.definition.name, view.definition.signature, state


@click.command()
@url_option
@output_option
def workflows(url: str | None, output: Output) -> None:
    """Workflows that were published; each name's newest graph comes first. With --json: {"graphs": [...]}."""
    every = ask(url, AsyncClient.graphs)
    known = {view.definition.name for view in ask(url, AsyncClient.tasks)}
    found = [each for each in every if each.name not in known]  # a single task is a graph of one node
    if output is Output.JSON:
        print_json({"graphs": found})
        return
    rows = [(each.name, each.created_at[:19].replace("T", " "), each.digest[:19]) for each in found]
    for line in table(rows, ("workflow", "published (UTC)", "graph")):
        click.echo(line)


@click.group(invoke_without_command=True)
@url_option
@output_option
@click.option("--type", "kind", default="", help="Only those of this type.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only those with it; may be repeated.")
@click.pass_context
def workers(ctx: click.Context, url: str | None, output: Output, kind: str, labels: tuple[str, ...]) -> None:
    """Workers, connected ones first; `workers show NAME` looks at one. With --json: {"workers": [...]}."""
    if ctx.invoked_subcommand is not None:
        return
    wanted = dict(_pair(each) for each in labels)

    def question(client: AsyncClient) -> Awaitable[Sequence[WorkerView]]:
        return client.workers(type=kind, labels=wanted)

    found = ask(url, question)
    if output is Output.JSON:
        print_json({"workers": found})
        return
    for line in table([_worker(each) for each in found], ("worker", "type", "state", "holds", "process", "tasks")):
        click.echo(line)


def _worker(view: WorkerView) -> tuple[str, ...]:
    state = "connected" if view.live else f"gone since {view.seen_at[:19].replace('T', ' ')}"
    if view.paused:
        state += f", paused by {view.paused.by or 'an operator'}"
    holds = f"{view.held}/{view.total}"
    return view.id, view.offers.type, state, holds, f"{view.pid}@{view.host}", ", ".join(view.tasks)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--label")
    return name, value


@workers.command("show")
@click.argument("name")
@url_option
@output_option
def show(name: str, url: str | None, output: Output) -> None:
    """One worker: what it offers, what is free, and what it runs. With --json: {"worker", "attempts": [...]}.

    The beginning of its id is enough, where no other one begins so.
    """

    def question(client: AsyncClient) -> Awaitable[WorkerDetail]:
        return worker_of(client, name)

    found = ask(url, question)
    if output is Output.JSON:
        print_json(found)
        return
    view = found.worker
    _, _, state, holds, process, tasks = _worker(view)
    pools = "".join(f", {count} of {view.pools.get(pool, 0)} in {pool}" for pool, count in view.free_pools.items())
    click.echo(f"{view.id} {state}, {process}, instance {view.instance}")
    for what, text in (("holds", holds), ("free", f"{view.free}{pools}"), *listed(view.offers, view.labels)):
        if text:
            click.echo(f"  {what:<10}{text}")
    click.echo(f"  {'tasks':<10}{tasks}")
    for each in found.attempts:
        click.echo(_attempt(each))


def _attempt(each: WorkerAttempt) -> str:
    seen = each.attempt
    name = f"{each.task}#{seen.implementation}" if seen.implementation else each.task
    inputs = ", ".join(f"{name}={text}" for name, text in each.inputs.items())
    since = (seen.started_at or seen.leased_at)[:19].replace("T", " ")
    return f"{each.run} {seen.path} #{seen.number} {name}({inputs}) {seen.status} since {since}"
