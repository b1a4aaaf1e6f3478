"""`tidemill store`: what runs and workflows share, seen and changed from outside."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tidemill.assembly.checking import check_data
from tidemill.assembly.settings import read_settings
from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, data_option, output_option, url_option
from tidemill.cli.show import table
from tidemill.cli.vacuum import advise, vacuum
from tidemill.client.remote import AsyncClient
from tidemill.client.sharing import AsyncStore

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def store() -> None:
    """Stores and channels of a run (--run) or of a workflow (--workflow); `check` looks at all of a data folder."""


store.add_command(advise)
store.add_command(vacuum)


def _which(command: F) -> F:
    for option in (
        click.option("--workflow", default="", help="The workflow or task that has it."),
        click.option("--run", default="", help="The run that has it."),
        click.argument("name"),
    ):
        command = option(command)
    return url_option(output_option(command))


def _asked(given: dict[str, Any], question: Callable[[AsyncStore], Awaitable[T]]) -> T:
    run, workflow = given["run"], given["workflow"]
    if bool(run) == bool(workflow):
        raise click.UsageError("say whose store it is: --run RUN, or --workflow NAME")

    async def asking(client: AsyncClient) -> T:
        place = (await run_of(client, run)).store(given["name"]) if run else client.store(workflow, given["name"])
        return await question(place)

    return ask(given["url"], asking)


@store.command()
@_which
@click.argument("key")
def get(key: str, output: Output, **given: Any) -> Exit:
    """A value, as JSON; exits with 1 where there is none. With --json: {"key", "value", "version"}."""
    entry = _asked(given, lambda place: place.entry(key))
    if entry is None:
        click.echo(f"there is nothing under {key!r}", err=True)
        return Exit.FAILED
    print_json(entry if output is Output.JSON else entry.value)
    return Exit.OK


@store.command(name="set")
@_which
@click.argument("key")
@click.argument("value")
@click.option("--version", type=click.IntRange(0), default=None, help="Only if the entry has this one; 0: if none is.")
def set_(key: str, value: str, version: int | None, output: Output, **given: Any) -> None:
    """Write a value: JSON, or a text. With --json: {"key", "value", "version"}."""
    try:
        plain = json.loads(value)
    except ValueError:
        plain = value
    entry = _asked(given, lambda place: place.set(key, plain, version=version))
    if output is Output.JSON:
        print_json(entry)
    else:
        click.echo(f"{key} has version {entry.version}")


@store.command(name="list")
@_which
@click.option("--prefix", default="", help="Only keys that begin with it.")
@click.option("--after", default="", help="Only keys after this one.")
@click.option("--limit", type=click.IntRange(1, 100), default=100, show_default=True, help="How many at most.")
def list_(output: Output, prefix: str, after: str, limit: int, **given: Any) -> None:
    """Entries by key. With --json: {"entries": [...], "next": "..."}."""
    page = _asked(given, lambda place: place.page(prefix, after, limit))
    if output is Output.JSON:
        print_json(page)
        return
    rows = [(each.key, str(each.version), json.dumps(each.value, ensure_ascii=False)) for each in page.entries]
    for line in table(rows, ("key", "version", "value")):
        click.echo(line)
    if page.next:
        click.echo(f"further ones: --after {page.next}")


@store.command()
@_which
@click.argument("key")
def delete(key: str, output: Output, **given: Any) -> None:
    """Delete an entry. With --json: {"key": …}."""
    _asked(given, lambda place: place.delete(key))
    if output is Output.JSON:
        print_json({"key": key})


@store.command()
@_which
@click.option("--after", type=click.IntRange(0), default=0, help="Only items after this number.")
@click.option("--limit", type=click.IntRange(1, 100), default=100, show_default=True, help="How many at most.")
@click.option("--wait", type=click.FloatRange(0, 20), default=0.0, help="Seconds to wait for an item.")
def items(output: Output, after: int, limit: int, wait: float, **given: Any) -> None:
    """Items of the channel NAME. With --json: {"items": [...], "is_over": …}."""
    page = _asked(given, lambda place: place.items(after, limit, wait))
    if output is Output.JSON:
        print_json(page)
        return
    for each in page.items:
        click.echo(f"{each.number:>6}  {json.dumps(each.value, ensure_ascii=False)}")


@store.command()
@data_option
@output_option
def check(data: Path | None, output: Output) -> Exit:
    """Look at all of a data folder: databases, each row, each blob. A server may run meanwhile; it reads everything.

    With --json: {"problems": [...]}. The exit code is 1 when something is damaged: stop the server, put back a copy.
    """
    folder = read_settings({"data": data}).data
    problems = list(check_data(folder))
    if output is Output.JSON:
        print_json({"problems": problems})
    else:
        for each in problems:
            click.echo(each)
        click.echo(f"{len(problems)} problems in {folder}" if problems else f"{folder} is whole")
    return Exit.FAILED if problems else Exit.OK
