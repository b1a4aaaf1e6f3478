"""`tidemill worker`."""

from collections.abc import Sequence

import click

from tidemill.assembly.settings import Settings, read_settings
from tidemill.assembly.signals import Ends
from tidemill.cli.again import child_command
from tidemill.cli.asking import print_json
from tidemill.cli.console import log_to_console
from tidemill.cli.options import Output, data_option, ends_option, output_option, url_option
from tidemill.cli.resources import listed
from tidemill.cli.targets import TargetError, load_target
from tidemill.sdk.worker import Worker


@click.command()
@click.argument("target", required=False)
@url_option
@click.option("--id", "worker_id", help="Survives a restart.  [default: TIDEMILL_WORKER_ID, or made of names]")
@click.option("--concurrency", help="Attempts at once.  [default: TIDEMILL_CONCURRENCY, or 100]")
@click.option("--resources", "action", flag_value="resources", help="Print what it would offer, and end.")
@data_option
@output_option
@ends_option
def worker(target: str | None, ends: Ends, output: Output, action: str | None, **given: object) -> None:
    """Serve the tasks of TARGET until told to stop.

    TARGET is, in this order: a folder with a spec (worker.tsp) or a main.py, a file, module:variable, an entry point,
    or a module. Every Worker at the top level is served. SIGTERM or Ctrl-C drains: nothing new is taken, and what runs
    may end; a second one stops at once.

    With --resources: what it would offer; TARGET may be left out. With --json too: {"offers", "labels", "notes"}.
    """
    settings = read_settings(given)
    if action is not None:
        _print_offers(load_target(target).workers if target else [], settings, output)
        return
    if target is None:
        raise click.UsageError("Missing argument 'TARGET'.")
    found = load_target(target)
    if not found.workers:
        raise TargetError(f"{target} declares no worker at its top level")
    from tidemill.assembly.worker import run_worker
    from tidemill.ports.backend import speaking

    log_to_console(speaking.get)
    run_worker(found.workers, settings, ends, child_command(target))


def _print_offers(workers: Sequence[Worker], settings: Settings, output: Output) -> None:
    from tidemill.assembly.offers import detect, offered

    offers, labels = offered(workers, settings)
    notes = detect().notes
    if output is Output.JSON:
        print_json({"offers": offers, "labels": labels, "notes": notes})
        return
    for name, text in listed(offers, labels):
        if text:
            click.echo(f"{name:<10}{text}")
    for note in notes:
        click.echo(note, err=True)
