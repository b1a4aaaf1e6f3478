"""`tidemill worker`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tidemill.assembly.settings import Settings, read_settings
from tidemill.assembly.signals import Ends
from tidemill.cli.again import child_command
from tidemill.cli.asking import print_json
from tidemill.cli.console import log_to_console
from tidemill.cli.main import Exit
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
@click.option("--dir", "place", type=click.Path(path_type=Path), help="Serve each worker folder in this one.")
@click.option("--build", "action", flag_value="build", help="With --dir: build the environments, and end.")
@click.option("--envs", "action", flag_value="envs", help="With --dir: list the environments, and end.")
@click.option("--prune", "action", flag_value="prune", help="With --dir: take away unwanted environments, and end.")
@data_option
@output_option
@ends_option
def worker(
    target: str | None, place: Path | None, ends: Ends, output: Output, action: str | None, **given: object
) -> Exit:
    """Serve the tasks of TARGET until told to stop.

    TARGET is, in this order: a folder with a spec (worker.tsp) or a main.py, a file, module:variable, an entry point,
    or a module. Every Worker at the top level is served. SIGTERM or Ctrl-C drains: nothing new is taken, and what runs
    may end; a second one stops at once.

    With --dir: each folder in it with a main.py or a spec is a worker, which runs in an environment of its own: built
    by uv from its uv.lock, requirements.txt or pyproject.toml, kept in the data folder, and used again. One that dies
    is started again, later and later. --envs exits with 1 when an environment is not built yet.

    With --resources: what it would offer; TARGET may be left out. With --json too: {"offers", "labels", "notes"}.
    """
    settings = read_settings(given)
    if place is not None:
        return _folders(place, settings, _Asked(target, action, output), given)
    if action is not None:
        if action != "resources":
            raise click.UsageError(f"--{action} needs --dir DIR")
        _print_offers(load_target(target).workers if target else [], settings, output)
        return Exit.OK
    if target is None:
        raise click.UsageError("Missing argument 'TARGET'.")
    found = load_target(target)
    if not found.workers:
        raise TargetError(f"{target} declares no worker at its top level")
    from tidemill.assembly.worker import run_worker
    from tidemill.ports.backend import speaking

    log_to_console(speaking.get)
    run_worker(found.workers, settings, ends, child_command(target))
    return Exit.OK


@dataclass(frozen=True)
class _Asked:
    target: str | None
    action: str | None
    output: Output


def _folders(place: Path, settings: Settings, asked: _Asked, given: Mapping[str, object]) -> Exit:
    from tidemill.cli.building import ACTIONS
    from tidemill.cli.worker_folders import run_folders, worker_folders

    if asked.target is not None or asked.action == "resources":
        raise click.UsageError(f"--dir serves the folders in {place}: leave out TARGET and --resources")
    if settings.worker_id:
        raise click.UsageError("the workers of --dir have an id each: leave out --id and TIDEMILL_WORKER_ID")
    if asked.action is not None:
        return ACTIONS[asked.action](worker_folders(place), settings, asked.output)
    said = [(f"--{name}", str(given[name])) for name in ("url", "concurrency") if given.get(name) is not None]
    arguments = [part for pair in [*said, ("--data", str(settings.data))] for part in pair]
    return run_folders(place, settings, arguments)


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
