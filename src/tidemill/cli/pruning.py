"""`tidemill runs prune`: leave nothing of runs that ended."""

from typing import Any

import click

from tidemill.cli.control import act, filters_of
from tidemill.cli.main import Exit
from tidemill.cli.options import output_option, url_option
from tidemill.client.remote import AsyncRun
from tidemill.core.retention import FINAL_STATUSES
from tidemill.wire.api import RunView
from tidemill.wire.control import BulkAction


@click.command()
@click.argument("run", required=False)
@filters_of(FINAL_STATUSES)
@url_option
@output_option
def prune(run: str | None, **given: Any) -> Exit:
    """Remove a run that ended, or all that the filters find: results, history, logs, and files that no other run names.

    A run stays while the run that started it is there, while an unfinished run takes results from it, and while a
    submission with its key must find it. Runs go by themselves as the setting `retain` says. With --json: the run as it
    was, or {"count", "runs": [...]} with the first 20.
    """
    return act(BulkAction.REMOVE, run, given, _remove)


async def _remove(run: AsyncRun[Any]) -> RunView:
    view = await run.view()
    await run.remove()
    return view
