"""`tidemill runs data`: free attributes of runs and steps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.forks import assigned
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import lines_of
from tidemill.client.remote import AsyncClient


@click.command()
@click.argument("run")
@click.option("--step", "path", default="", metavar="PATH", help="What is set or removed is of this step.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Set one; JSON or a text.")
@click.option("--remove", multiple=True, metavar="NAME", help="Take one away.")
@url_option
@output_option
def data(run: str, url: str | None, output: Output, path: str, **change: Sequence[str]) -> None:
    """The attributes of a run and its steps, after setting or removing some. With --json: {"run": …, "steps": …}."""

    async def asked(client: AsyncClient) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        found = await run_of(client, run)
        if change["given"] or change["remove"]:
            await found.set(dict(map(assigned, change["given"])), remove=change["remove"], path=path)
        return await found.data(), await found.step_data()

    own, steps = ask(url, asked)
    if output is Output.JSON:
        print_json({"run": own, "steps": steps})
        return
    for line in data_lines(own, steps):
        click.echo(line)


def data_lines(own: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """For people: those of the run, then those of each step."""
    if own:
        yield from lines_of(dict(own))
    for path, values in steps.items():
        yield path
        yield from lines_of(dict(values), "  ")
