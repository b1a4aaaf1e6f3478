"""`tidemill webhooks`: who is told when runs end."""

from pathlib import Path

import click

from tidemill.cli.asking import ask, print_json, tell
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.wire.hooks import DeliveryView, WebhookView

NAMED = click.argument("name")


@click.group()
def webhooks() -> None:
    """Have addresses of yours told when runs end: signed, tried again, with a log (docs/guide/webhooks.md)."""


@webhooks.command("add")
@NAMED
@click.argument("address", metavar="URL")
@click.option("--event", "events", multiple=True, help="run.succeeded, run.failed, run.cancelled or run.halted.")
@click.option("--workflow", "workflows", multiple=True, help="Of this workflow or task; * stands for any text.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="With this tag.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its secrets, one a line, the newest first.  [default: a new one, printed once]",
)
@url_option
@output_option
def add(  # noqa: PLR0913  # options of a command
    name: str,
    address: str,
    *,
    events: tuple[str, ...],
    workflows: tuple[str, ...],
    tags: tuple[str, ...],
    secret_file: Path | None,
    url: str | None,
    output: Output,
) -> None:
    """Register a webhook, or change the one of this name. Options but the last two may be repeated; none means all.

    With --json: the webhook, with "secret" when a new one was made.
    """
    secrets = secret_file.read_text("utf-8").split() if secret_file else []
    wanted = dict(pair(each) for each in tags)

    async def question(client: AsyncClient) -> WebhookView:
        return await client.webhooks.add(
            name, address, secrets=secrets, events=events, workflows=workflows, tags=wanted
        )

    found = ask(url, question)
    if output is Output.JSON:
        print_json(found)
        return
    click.echo(f"webhook {found.name} is told of {', '.join(found.events)}")
    if found.secret:
        click.echo(f"its secret, which is not shown again: {found.secret}")


@webhooks.command("list")
@url_option
@output_option
def list_(url: str | None, output: Output) -> None:
    """Webhooks, by name. With --json: {"webhooks": [...]}."""
    found = ask(url, lambda client: client.webhooks.list())
    if output is Output.JSON:
        print_json({"webhooks": found})
        return
    rows = [(each.name, each.url, ", ".join(each.events), _filters(each)) for each in found]
    for line in table(rows, ("webhook", "url", "events", "of")):
        click.echo(line)


@webhooks.command("show")
@NAMED
@url_option
@output_option
def show(name: str, url: str | None, output: Output) -> None:
    """One webhook; of its secrets only what tells them apart."""
    found = ask(url, lambda client: client.webhooks.get(name))
    if output is Output.JSON:
        print_json(found)
        return
    click.echo(f"{found.name} {found.url}")
    told = (("events", ", ".join(found.events)), ("of", _filters(found)), ("secrets", ", ".join(found.secrets)))
    for what, text in told:
        click.echo(f"  {what:<10}{text}")


@webhooks.command("remove")
@NAMED
@url_option
@output_option
def remove(name: str, url: str | None, output: Output) -> None:
    """Send it nothing more; its log goes, and what was to be sent."""
    ask(url, lambda client: client.webhooks.remove(name))
    tell(output, {"removed": name}, f"webhook {name} is removed")


@webhooks.command("test")
@NAMED
@url_option
@output_option
def test(name: str, url: str | None, output: Output) -> Exit:
    """Send an event of the type webhook.test, and wait for the first answer. The exit code is 1 if it is no 2xx."""
    import asyncio

    async def question(client: AsyncClient) -> DeliveryView:
        sent = await client.webhooks.test(name)
        while not sent.tried and sent.status == "due":
            await asyncio.sleep(0.1)
            sent = await client.webhooks.delivery(name, sent.id)
        return sent

    found = ask(url, question)
    first = found.tried[0] if found.tried else None
    if output is Output.JSON:
        print_json(found)
    else:
        click.echo(found.reason if first is None else f"{first.status or first.error} {first.answer}".rstrip())
    return Exit.OK if first is not None and 200 <= first.status < 300 else Exit.FAILED


@webhooks.command("log")
@NAMED
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many.  [default: 20]")
@url_option
@output_option
def log(name: str, limit: int, url: str | None, output: Output) -> None:
    """What was sent and answered, newest first. With --json: {"deliveries": [...], "next"}."""
    found = ask(url, lambda client: client.webhooks.log(name, limit=limit))
    if output is Output.JSON:
        print_json(found)
        return
    for line in table([_line(each) for each in found.deliveries], ("delivery", "event", "run", "state", "last answer")):
        click.echo(line)


@webhooks.command("redeliver")
@NAMED
@click.argument("delivery")
@url_option
@output_option
def redeliver(name: str, delivery: str, url: str | None, output: Output) -> None:
    """Send one delivery of the log once more, under the same id."""
    found = ask(url, lambda client: client.webhooks.redeliver(name, delivery))
    tell(output, found, f"{found.id} is sent again")


def pair(text: str, option: str = "--tag") -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name, value


def _filters(view: WebhookView) -> str:
    said = [*view.workflows, *(f"{name}={value}" for name, value in view.tags.items())]
    return ", ".join(said) or "all runs"


def _line(view: DeliveryView) -> tuple[str, ...]:
    last = view.tried[-1] if view.tried else None
    said = "not yet" if last is None else str(last.status or last.error)
    state = f"due at {view.due_at[11:19]}" if view.status == "due" else view.status.replace("_", " ")
    return view.id, view.event, view.run, f"{state}, {view.tries} tries", said
