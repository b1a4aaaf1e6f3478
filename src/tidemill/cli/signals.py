"""`tidemill signal`, `waits`, `approvals`, `approve`: what runs wait for, and what they are told."""

import getpass
import json
from typing import Any

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.core.wait_rows import WaitKind
from tidemill.core.why_waits import choices_text
from tidemill.wire.waiting import SignalView, WaitPage, WaitView

_KINDS = [kind.value for kind in WaitKind]
_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
_WORKFLOW = click.option("--workflow", default="", help="Only of this workflow.")
_AFTER = click.option("--after", default="", help="Go on after this one, as the last page said.")


@click.command()
@click.argument("target")
@click.argument("name_or_payload", required=False)
@click.argument("payload", required=False)
@click.option("--key", default=None, help="To whoever waits with this key: give the name, and no run.")
@click.option("--id", "id_", default="", help="Sent again under the same id, it is taken once.")
@url_option
@output_option
def signal(target: str, name_or_payload: str | None, url: str | None, output: Output, **said: str | None) -> None:
    """Send a signal: `signal RUN NAME [PAYLOAD]`, or `signal NAME [PAYLOAD] --key KEY`.

    PAYLOAD is JSON, @file.json, or a bare text where it is no JSON. With --json: {"id", "taken", "run", "step"}.
    """
    key, id_ = said["key"], said["id_"] or ""
    if key is not None and said["payload"] is not None:
        raise click.UsageError("with --key give the name of the signal and its payload, and no run")
    if key is None and name_or_payload is None:
        raise click.UsageError("say the name of the signal too, or --key KEY for whoever waits with it")

    async def sending(client: AsyncClient) -> SignalView:
        if key is not None:
            return await client.signal(target, _payload(name_or_payload), key=key, id=id_)
        return await (await run_of(client, target)).signal(name_or_payload or "", _payload(said["payload"]), id=id_)

    found = ask(url, sending)
    if output is Output.JSON:
        print_json(found)
    elif found.taken:
        click.echo(f"taken by {found.step} of run {found.run}")
    else:
        click.echo("kept: nobody waits for it yet, and the first that does takes it")


def _payload(text: str | None) -> Any:
    if text is None:
        return None
    if text.startswith("@"):
        try:
            with open(text[1:], encoding="utf-8") as file:  # noqa: PTH123  # as the shell sees it
                return json.load(file)
        except (OSError, ValueError) as error:
            raise click.UsageError(f"cannot read {text[1:]}: {error}") from None
    try:
        return json.loads(text)
    except ValueError:
        if text.lstrip()[:1] in ("{", "[", '"'):
            raise click.UsageError(f"{text[:80]!r} begins like JSON, and is none") from None
        return text


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only these.")
@_WORKFLOW
@_AFTER
@_LIMIT
@url_option
@output_option
def waits(url: str | None, output: Output, kinds: tuple[str, ...], **query: Any) -> None:
    """Steps that wait: for a signal, an event, an instant, a person. With --json: {"waits": [...], "next": "..."}."""
    found = _page(url, kinds=kinds, **query)
    if output is Output.JSON:
        print_json(found)
        return
    rows = [(each.run, each.workflow, each.step, what_of(each), _until(each)) for each in found.waits]
    for line in table(rows, ("run", "workflow", "step", "waits for", "until (UTC)")):
        click.echo(line)
    _tell_next(found)


@click.command()
@click.option("--links", is_flag=True, help="With links: whoever has one may decide.")
@_WORKFLOW
@_AFTER
@_LIMIT
@url_option
@output_option
def approvals(url: str | None, output: Output, links: object, **query: Any) -> None:
    """Questions that runs ask people. With --json: {"waits": [...], "next": "..."}."""
    found = _page(url, kinds=("approval",), links="true" if links else "", **query)
    if output is Output.JSON:
        print_json(found)
        return
    for each in found.waits:
        until = f", until {_until(each)}" if each.until_at else ""
        click.echo(f"{each.question}  ({each.workflow}{until})")
        click.echo(f"  tidemill approve {each.run} {each.step} --choice {choices_text(each.choices)}")
        if each.link:
            click.echo(f"  {each.link}")
    if not found.waits:
        click.echo("nobody is asked anything")
    _tell_next(found)


@click.command()
@click.argument("run")
@click.argument("step", default="")
@click.option("--choice", required=True, help="One of those that the question gives.")
@click.option("--comment", default="", help="Is kept with the decision.")
@click.option("--who", default=None, help="Who decides.  [default: the name that you are logged in by]")
@url_option
@output_option
def approve(run: str, step: str, url: str | None, output: Output, **said: str | None) -> None:
    """Decide what a run asks; STEP may be left out where it asks but one thing. With --json: the wait."""

    async def deciding(client: AsyncClient) -> WaitView:
        who = _login() if said["who"] is None else said["who"]
        return await (await run_of(client, run)).approve(
            said["choice"] or "", step=step, comment=said["comment"] or "", who=who or ""
        )

    found = ask(url, deciding)
    if output is Output.JSON:
        print_json(found)
    elif found.closed is not None:
        click.echo(f"{found.step}: {found.closed.choice}, decided by {found.closed.who or 'nobody by name'}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _page(url: str | None, **query: Any) -> WaitPage:
    async def asking(client: AsyncClient) -> WaitPage:
        return await client.waits(**query)

    return ask(url, asking)


def what_of(wait: WaitView) -> str:
    match wait.kind:
        case "signal":
            return f"the signal {wait.name}" + (f" for {wait.key}" if wait.key else "")
        case "event":
            return f"the event {wait.name}"
        case "approval":
            return f"an answer: {wait.question}"
        case _:
            return "an instant"


def _until(wait: WaitView) -> str:
    return wait.until_at[:19].replace("T", " ") or "for ever"


def _tell_next(page: WaitPage) -> None:
    if page.next:
        click.echo(f"more: --after {page.next}")
