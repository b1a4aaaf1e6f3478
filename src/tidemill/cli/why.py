"""`tidemill why`."""

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.options import Output, output_option, url_option
from tidemill.client.remote import AsyncClient
from tidemill.wire.api import WhyAnswer


@click.command()
@click.argument("run")
@url_option
@output_option
def why(run: str, url: str | None, output: Output) -> None:
    """Why each step of a run waits, and what would start it. With --json: {"run", "status", "steps": [...]}."""

    async def question(client: AsyncClient) -> WhyAnswer:
        return await client.why((await run_of(client, run)).id)

    found = ask(url, question)
    if output is Output.JSON:
        print_json(found)
        return
    for reason in found.reasons:
        click.echo(reason)
    if found.advice:
        click.echo(f"  → {found.advice}")
    if not found.steps and not found.reasons:
        click.echo(f"run {found.run} is {found.status}, and none of its steps waits")
    for step in found.steps:
        click.echo(f"{step.path} ({step.task or step.status}): {'; '.join(step.reasons) or step.status}")
        if step.advice:
            click.echo(f"  → {step.advice}")
