"""`tidemill tasks`, `workflows` and `workers`: what a server knows."""

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.wire.api import TaskView, WorkerView


@click.command()
@url_option
@output_option
def tasks(url: str | None, output: Output) -> None:
    """Tasks that workers have announced. With --json: {"tasks": [...]}."""
    found = ask(url, AsyncClient.tasks)
    if output is Output.JSON:
        print_json({"tasks": found})
        return
    for line in table([_task(each) for each in found], ("task", "signature", "worker")):
        click.echo(line)


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
