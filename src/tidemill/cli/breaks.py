"""`tidemill continue`, `runs inputs`, `runs value`: a run that stands still is looked into, and goes on."""

from collections.abc import Sequence

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.options import Output, output_option, url_option
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.client.standing import Stepping
from tidemill.wire.breaks import Stopped


@click.command("continue")
@click.argument("run")
@click.argument("paths", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Only say which steps stand at a breakpoint.")
@click.option(
    "--step",
    flag_value=Stepping.YES,
    default=Stepping.NO,
    type=click.UNPROCESSED,
    help="Stop again at the next steps, whatever they are.",
)
@click.option("--break", "breakpoints", multiple=True, metavar="PATH", help="Stop there from now on, and nowhere else.")
@click.option("--clear", is_flag=True, help="Stop nowhere any more.")
@url_option
@output_option
def go_on(run: str, paths: Sequence[str], url: str | None, output: Output, **how: object) -> None:
    """Let steps at a breakpoint begin: those of PATHS, or all of them. With --json: what stands then."""
    breakpoints: Sequence[str] | None = how["breakpoints"] or None  # type: ignore[assignment]  # click has made it

    async def asking(client: AsyncClient) -> Stopped:
        found: AsyncRun[object] = client.run(run)
        if how["only_list"]:
            return await found.stopped()
        step = Stepping.YES if how["step"] is Stepping.YES else Stepping.NO
        return await found.go_on(*paths, step=step, breakpoints=() if how["clear"] else breakpoints)

    stopped = ask(url, asking)
    if output is Output.JSON:
        print_json(stopped)
        return
    for path in stopped.paths:
        click.echo(f"{path}  at a breakpoint")
    if stopped.more:
        click.echo("and more")
    if not stopped.paths:
        click.echo(f"the run is {stopped.status}; no step stands at a breakpoint")


@click.command()
@click.argument("run")
@click.argument("path")
@url_option
@output_option
def inputs(run: str, path: str, url: str | None, **_: object) -> None:
    """What a step of a task is given, as JSON."""
    print_json(ask(url, lambda client: client.run(run).inputs(path)))


@click.command()
@click.argument("run")
@click.argument("path")
@click.option("--port", default="value", show_default=True, help="The output, where a step has several.")
@url_option
@output_option
def value(run: str, path: str, port: str, url: str | None, **_: object) -> None:
    """What a step gave, as JSON; of an element or a round too, by its path: "pages[3]/embed"."""
    print_json(ask(url, lambda client: client.run(run).value(path, port)))
