"""`tidemill tasks`, `workflows` and `workers`: what a server knows."""

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.main import Exit
from tidemill.cli.manifests import manifest_named
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.core.compat import Level
from tidemill.interface.diff import diff, document_of, level_of, lines_of
from tidemill.wire.api import TaskView, WorkerView


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


@click.command()
@url_option
@output_option
def workers(url: str | None, output: Output) -> None:
    """Workers, connected ones first. With --json: {"workers": [...]}."""
    found = ask(url, AsyncClient.workers)
    if output is Output.JSON:
        print_json({"workers": found})
        return
    for line in table([_worker(each) for each in found], ("worker", "state", "holds", "process", "tasks")):
        click.echo(line)


def _worker(view: WorkerView) -> tuple[str, ...]:
    state = "connected" if view.live else f"gone since {view.seen_at[:19].replace('T', ' ')}"
    return view.id, state, f"{view.held}/{view.total}", f"{view.pid}@{view.host}", ", ".join(view.tasks)
