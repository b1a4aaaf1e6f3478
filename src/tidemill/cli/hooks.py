"""`tidemill hooks`: addresses for webhooks of somebody else's."""

from pathlib import Path
from typing import Any

import click

from tidemill.cli.asking import ask, print_json, tell
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.cli.webhooks import pair
from tidemill.client.remote import AsyncClient
from tidemill.wire.hooks import HookView

NAMED = click.argument("name")


SCHEMES = ("standard", "github", "stripe", "token")


@click.group()
def hooks() -> None:
    """Start runs by webhooks of others, at /hooks/NAME of the server (docs/guide/webhooks.md)."""


@hooks.command("add")
@NAMED
@click.argument("target", default="")
@click.option("--signal", default="", help="Send this signal instead, to whoever waits for it with the key.")
@click.option("--key", default="", help="Of the signal: a place in the body.")
@click.option("--payload", default="$", help="Of the signal: a place in the body.  [default: $]")
@click.option(
    "--input", "inputs", multiple=True, metavar="PARAMETER=PLACE", help="Such as order=$.data.id; $ is all of the body."
)
@click.option(
    "--scheme",
    type=click.Choice(["standard", "github", "stripe", "token"]),
    default="standard",
    help="How they are signed.",
)
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Of its runs.")
@click.option("--header", default="", help="That holds the token.")
@click.option("--id-header", default="", help="That tells repetitions, where the scheme does not.")
@click.option("--id-field", default="", help="The same, as a place in the body: $.id.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its secrets, one a line.  [default: a new one, printed once]",
)
@url_option
@output_option
def add(  # noqa: PLR0913  # options of a command
    name: str,
    target: str,
    *,
    inputs: tuple[str, ...],
    tags: tuple[str, ...],
    secret_file: Path | None,
    url: str | None,
    output: Output,
    **how: Any,
) -> None:
    """Register a hook, or change it: each webhook that is rightly signed starts a run of TARGET or sends a signal."""
    secrets = secret_file.read_text("utf-8").split() if secret_file else []
    given, own = dict(pair(each, "--input") for each in inputs), dict(pair(each) for each in tags)

    async def question(client: AsyncClient) -> HookView:
        return await client.hooks.add(name, target, inputs=given, secrets=secrets, tags=own, **how)

    found = ask(url, question)
    if output is Output.JSON:
        print_json(found)
        return
    does = f"starts {found.target}" if found.target else f"sends {found.signal}"
    click.echo(f"what comes to {found.path} {does}")
    if found.secret:
        click.echo(f"its secret, which is not shown again: {found.secret}")


@hooks.command("list")
@url_option
@output_option
def list_(url: str | None, output: Output) -> None:
    """Hooks, by name. With --json: {"hooks": [...]}."""
    found = ask(url, lambda client: client.hooks.list())
    if output is Output.JSON:
        print_json({"hooks": found})
        return
    rows = [_row(each) for each in found]
    for line in table(rows, ("hook", "scheme", "starts", "inputs")):
        click.echo(line)


@hooks.command("remove")
@NAMED
@url_option
@output_option
def remove(name: str, url: str | None, output: Output) -> None:
    """Take its webhooks no more."""
    ask(url, lambda client: client.hooks.remove(name))
    tell(output, {"removed": name}, f"hook {name} is removed")


def _row(view: HookView) -> tuple[str, ...]:
    if view.signal:
        return view.path, view.scheme, f"signal {view.signal}", f"key={view.key}, payload={view.payload}"
    return view.path, view.scheme, view.target, ", ".join(map("=".join, view.inputs.items()))
