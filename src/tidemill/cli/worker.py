"""`tidemill worker`."""

import click

from tidemill.assembly.settings import read_settings
from tidemill.assembly.signals import Ends
from tidemill.cli.console import log_to_console
from tidemill.cli.options import data_option, ends_option, url_option
from tidemill.cli.targets import TargetError, load_target


@click.command()
@click.argument("target")
@url_option
@click.option("--id", "worker_id", help="Survives a restart.  [default: TIDEMILL_WORKER_ID, or made of names]")
@click.option("--concurrency", help="Attempts at once.  [default: TIDEMILL_CONCURRENCY, or 100]")
@data_option
@ends_option
def worker(target: str, ends: Ends, **given: object) -> None:
    """Serve the tasks of TARGET until told to stop.

    TARGET is, in this order: a folder with a main.py, a file.py, module:variable, or a module. Every Worker at the
    top level is served. SIGTERM or Ctrl-C drains: nothing new is taken, and what runs may end; a second one stops at
    once.
    """
    settings = read_settings(given)
    found = load_target(target)
    if not found.workers:
        raise TargetError(f"{target} declares no worker at its top level")
    from tidemill.assembly.worker import run_worker
    from tidemill.ports.backend import speaking

    log_to_console(speaking.get)
    run_worker(found.workers, settings, ends)
