"""`tidemill serve` and `tidemill endpoints`: tasks and workflows with paths of their own."""

import click

from tidemill.cli.asking import ask, print_json, tell
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.wire.hooks import EndpointView


@click.command()
@click.argument("target", metavar="NAME")
@click.option("--path", required=True, help="Such as /captions: it is then served at /w/captions.")
@click.option("--version", default="", help="Pin what is the newest now, at /w/PATH/VERSION.")
@click.option("--digest", default="", help="Pin this version of the task, or this graph, instead.")
@click.option("--default", default="", help="The version that the path alone means, or newest.")
@url_option
@output_option
def serve(  # noqa: PLR0913  # options of a command
    target: str, *, path: str, version: str, digest: str, default: str, url: str | None, output: Output
) -> None:
    """Serve a task or a published workflow by HTTP, under a path of its own.

    POST /w/PATH takes the record of its inputs and answers with its outputs (docs/guide/http-endpoints.md).
    """

    async def question(client: AsyncClient) -> EndpointView:
        return await client.endpoints.serve(path, target, version=version, digest=digest, default=default)

    found = ask(url, question)
    if output is Output.JSON:
        print_json(found)
        return
    click.echo(f"{found.target} is served at {found.path}: {found.default}")
    for each in found.versions:
        click.echo(f"  {each.path}  {each.digest[:19]}")


@click.group()
def endpoints() -> None:
    """What is served under a path of its own."""


@endpoints.command("list")
@url_option
@output_option
def list_(url: str | None, output: Output) -> None:
    """Endpoints, by path. With --json: {"endpoints": [...]}."""
    found = ask(url, lambda client: client.endpoints.list())
    if output is Output.JSON:
        print_json({"endpoints": found})
        return
    rows = [(each.path, each.target, each.default, ", ".join(v.name for v in each.versions)) for each in found]
    for line in table(rows, ("path", "serves", "default", "versions")):
        click.echo(line)


@endpoints.command("remove")
@click.argument("path")
@click.option("--version", default="", help="Only this version.")
@url_option
@output_option
def remove(path: str, version: str, url: str | None, output: Output) -> None:
    """Serve it no more."""
    ask(url, lambda client: client.endpoints.remove(path, version=version))
    text = f"{path} is removed" if not version else f"version {version} of {path} is removed"
    tell(output, {"removed": path, "version": version}, text)
