"""`tidemill retry`, `tidemill fork`, `tidemill whatif`: runs made of other runs."""

import json
from collections.abc import Sequence
from typing import Any

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.outline import summary_of
from tidemill.cli.show import table
from tidemill.cli.targets import load_target
from tidemill.client.forking import ForkOptions
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.wire.api import RunView
from tidemill.wire.forks import ForkPlan, WhatIfRun

SHOWN = 20  # paths of one kind


@click.command()
@click.argument("run")
@click.option("--again", multiple=True, metavar="PATH", help="Run this step anew too, with all below it.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken over and what would run; start nothing.")
@click.option("--wait", is_flag=True, help="Wait for the end.")
@url_option
@output_option
def retry(run: str, url: str | None, output: Output, again: Sequence[str], **how: object) -> Exit:
    """Go on where a run failed or was cancelled.

    A new run takes over each step that succeeded on the same inputs, and runs the rest. With --json: the new run.
    """
    return _start(run, url, output, ("retry", ForkOptions(again=again)), how)


@click.command()
@click.argument("run")
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=VALUE", help="Another input of the run; JSON or a text."
)
@click.option("--step", "steps", multiple=True, metavar="PATH:NAME=VALUE", help="Another input of one step.")
@click.option("--again", multiple=True, metavar="PATH", help="Run this step anew, with all below it.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken over and what would run; start nothing.")
@click.option("--wait", is_flag=True, help="Wait for the end.")
@url_option
@output_option
def fork(run: str, url: str | None, output: Output, inputs: Sequence[str], steps: Sequence[str], **how: Any) -> Exit:
    """Run a run again with other inputs; what they do not reach is taken over. With --json: the new run."""
    options = ForkOptions(inputs=dict(map(assigned, inputs)), steps=_of_steps(steps), again=how.pop("again"))
    return _start(run, url, output, ("fork", options), how)


def assigned(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _of_steps(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, sign, rest = text.partition(":")
        if not sign:
            raise click.BadParameter(f"{text!r} is not PATH:NAME=VALUE")
        name, value = assigned(rest)
        found.setdefault(path, {})[name] = value
    return found


def _start(run: str, url: str | None, output: Output, what: tuple[str, ForkOptions], how: dict[str, object]) -> Exit:
    word, options = what
    if how["dry_run"]:
        _tell_plan(ask(url, lambda client: _of(client, run).plan_fork(**options)), output)
        return Exit.OK

    async def started(client: AsyncClient) -> RunView:
        origin = _of(client, run)
        made = await (origin.retry(**options) if word == "retry" else origin.fork(**options))
        if how["wait"]:
            await made.ended()
        return await made.view()

    view = ask(url, started)
    if output is Output.JSON:
        print_json(view)
    else:
        click.echo(f"{view.workflow} {summary_of(view)}, from {view.origin}")
    return Exit.FAILED if view.status in {"failed", "cancelled", "halted"} else Exit.OK


def _of(client: AsyncClient, run: str) -> AsyncRun[object]:
    return client.run(run)


def _tell_plan(plan: ForkPlan, output: Output) -> None:
    if output is Output.JSON:
        print_json(plan)
        return
    for word, paths in (("taken over", plan.reused), ("to run", plan.fresh)):
        click.echo(f"{word}: {len(paths)}")
        for path in paths[:SHOWN]:
            click.echo(f"  {path}")
        if len(paths) > SHOWN:
            click.echo(f"  and {len(paths) - SHOWN} more")
    if plan.fresh:
        click.echo("what follows them is taken over where they give the same as before")
    else:
        click.echo(f"nothing would run; it would end as {plan.ended or 'running'}")
    if plan.is_cut:
        click.echo("the run is longer than what is looked at here")


@click.command()
@click.argument("target")
@click.argument("runs", nargs=-1)
@click.option("--workflow", default="", help="The latest runs of this workflow.  [default: the target's name]")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most.")
@url_option
@output_option
def whatif(target: str, runs: Sequence[str], workflow: str, limit: int, **asked: Any) -> Exit:
    """Move recorded runs through another version of their workflow, by their recorded results. Nothing is started.

    TARGET is the changed workflow: a file that has one, or module:name. Says which RUNS would go another way and which
    steps would be new. Exits with 1 when there is any.
    """
    flows = load_target(target).workflows
    if len(flows) != 1:
        names = ", ".join(flow.name for flow in flows) or "none"
        raise click.BadParameter(
            f"{target} has to name one workflow, target:name; there is {names}", param_hint="TARGET"
        )
    (flow,) = flows
    found = ask(asked["url"], lambda client: client.what_if(flow, runs, workflow=workflow, limit=limit))
    others = [each for each in found if not each.is_same]
    if asked["output"] is Output.JSON:
        print_json({"runs": found})
    elif not found:
        click.echo("there are no runs to look at")
    else:
        _tell_runs(found, others)
    return Exit.FAILED if others else Exit.OK


def _tell_runs(found: Sequence[WhatIfRun], others: Sequence[WhatIfRun]) -> None:
    rows = [(each.run, each.status, _in_words(each)) for each in others]
    if rows:
        for line in table(rows, ("run", "was", "would")):
            click.echo(line)
    click.echo(f"{len(found) - len(others)} of {len(found)} runs would go the same way")


def _in_words(run: WhatIfRun) -> str:
    if run.problem:
        return run.problem
    said = [
        ("not: ", run.left),
        ("take: ", run.taken),
        ("run anew: ", run.fresh),
    ]
    return "; ".join(word + ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "") for word, paths in said if paths)
