"""`tidemill quarantine`: steps under which workers died too often, for a person to decide."""

import getpass
import sys
from typing import Any

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.lengths import length
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.client.remote import AsyncClient
from tidemill.core.events import Verdict
from tidemill.wire.quarantine import QuarantineRequest, QuarantineView

_HEAD = ("run", "step", "task", "since (UTC)", "why")


@click.group()
def quarantine() -> None:
    """Steps under which three workers died: each waits until somebody releases or discards it."""


@quarantine.command("list")
@click.option("--workflow", default="", help="Only of this workflow or task.")
@click.option("--after", default="", help="The `next` of the page before.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@url_option
@output_option
def list_(url: str | None, output: Output, **query: Any) -> None:
    """What waits. With --json: {"steps": [...], "next": "..."}."""
    found = ask(url, lambda client: client.quarantined(**query))
    if output is Output.JSON:
        print_json(found)
        return
    _table(list(found.steps))
    if found.next:
        click.echo(f"more: --after {found.next}")


def _options(command: Any) -> Any:
    for option in reversed(
        (
            click.argument("run", required=False),
            click.argument("steps", nargs=-1),
            click.option("--workflow", default="", help="All of this workflow or task."),
            click.option("--task", default="", help="All of this task."),
            click.option("--older-than", type=length, metavar="LENGTH", help="In quarantine for so long: 20m, 2h, 7d."),
            click.option("--dry-run", is_flag=True, help="Say which, and touch none."),
            click.option("--yes", is_flag=True, help="Do not ask when there is more than one."),
            url_option,
            output_option,
        )
    ):
        command = option(command)
    return command


@quarantine.command()
@_options
def release(**given: Any) -> Exit:
    """Let steps go on, as if no worker had died under them: of a RUN (all, or STEPS), or all that the filters find.

    With --json: {"count", "steps": [...]}.
    """
    return _judge(Verdict.RELEASE, given)


@quarantine.command()
@_options
def discard(**given: Any) -> Exit:
    """Let steps fail with the code worker_lost: of a RUN (all, or STEPS), or all that the filters find.

    With --json: {"count", "steps": [...]}.
    """
    return _judge(Verdict.DISCARD, given)


def _judge(verdict: Verdict, given: dict[str, Any]) -> Exit:
    has_filter = any(given[name] for name in ("workflow", "task", "older_than"))
    if (given["run"] is None) is not has_filter:
        raise click.UsageError(f"name a RUN, or say which, as in: tidemill quarantine {verdict.value} --task a.b")
    must_ask = sys.stdin.isatty() and not (given["yes"] or given["run"] or given["output"] is Output.JSON)
    if must_ask and not given["dry_run"]:
        found = _tell(_act(verdict, given | {"dry_run": True}), given, "will be")
        if found > 1:
            click.confirm(f"{verdict.value} these {found:,} steps?", abort=True, err=True)
    _tell(_act(verdict, given), given, "would be" if given["dry_run"] else "were")
    return Exit.OK


def _act(verdict: Verdict, given: dict[str, Any]) -> list[QuarantineView]:
    async def acting(client: AsyncClient) -> list[QuarantineView]:
        run = (await run_of(client, given["run"])).id if given["run"] else ""
        request = QuarantineRequest(
            verdict,
            run=run,
            steps=given["steps"],
            workflow=given["workflow"],
            task=given["task"],
            older_than_s=given["older_than"] or 0.0,
            dry_run=given["dry_run"],
            by=getpass.getuser(),
        )
        return [step async for bite in client.judge(request) for step in bite.steps]

    return ask(given["url"], acting)


def _tell(steps: list[QuarantineView], given: dict[str, Any], how: str) -> int:
    if given["output"] is Output.JSON:
        print_json({"count": len(steps), "steps": steps, "dry_run": given["dry_run"]})
    else:
        _table(steps)
        click.echo(f"{len(steps):,} step{'' if len(steps) == 1 else 's'} {how} touched")
    return len(steps)


def _table(steps: list[QuarantineView]) -> None:
    rows = [(each.run, each.step, each.task, each.since[:19].replace("T", " "), each.message) for each in steps]
    for line in table(rows, _HEAD):
        click.echo(line)
