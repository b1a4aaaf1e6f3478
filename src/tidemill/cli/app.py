"""`app(worker)`: makes the module of a worker a command of its own."""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tidemill.cli.main import Exit, code_of, sentence_of
from tidemill.cli.options import data_option, url_option
from tidemill.core.errors import TidemillError
from tidemill.sdk.worker import Worker


def app(*workers: Worker, argv: Sequence[str] | None = None, stop: threading.Event | None = None) -> None:
    """Do what the command line asks for: serve the workers' tasks (with nothing said), or what ``--help`` lists.

    Ends when it is told to stop: by SIGTERM or SIGINT, whose handlers are put back afterwards, or by ``stop``. In
    another thread than the main one it leaves signals alone.

    Args:
        argv: arguments instead of the process's. Then, as in another thread, which has none, errors are raised;
            otherwise they are told, and end the process with an exit code.
        stop: set, from any thread, to drain and return.
    Raises:
        TidemillError: what cannot be served, or a call that failed.
    """
    is_main = threading.current_thread() is threading.main_thread()
    asked = _Asked(workers, stop)
    if argv is not None or not is_main:
        _command.main(list(argv or ()), prog_name=_name(), standalone_mode=False, obj=asked)
        return
    try:
        code = _command.main(prog_name=_name(), standalone_mode=False, obj=asked)
    except click.ClickException as error:
        error.show()
        code = Exit.INPUT
    except (click.Abort, KeyboardInterrupt):
        code = Exit.INTERRUPTED
    except TidemillError as error:
        click.echo(f"{_name()}: {sentence_of(error)}", err=True)
        code = code_of(error)
    if code:
        sys.exit(int(code))


@dataclass(frozen=True)
class _Asked:
    workers: tuple[Worker, ...]
    stop: threading.Event | None


def _name() -> str:
    return Path(sys.argv[0]).name or "app"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--list", "listed", is_flag=True, default=False, help="Print the tasks, and end.")
@click.option("--manifest", is_flag=True, default=False, help="Print the manifest of the tasks as JSON, and end.")
@click.option(
    "--stubs-path", type=click.Path(path_type=Path), help="Write stubs: a package's folder, or x.py; and end."
)
@click.option("--call", "file", help="Run one call, from JSON in FILE or - for standard input, print its result, end.")
@url_option
@click.option("--id", "worker_id", help="Survives a restart.  [default: TIDEMILL_WORKER_ID, or made of names]")
@click.option("--concurrency", help="Attempts at once.  [default: TIDEMILL_CONCURRENCY, or 100]")
@data_option
@click.pass_obj
def _command(
    asked: _Asked, /, *, listed: bool, manifest: bool, stubs_path: Path | None, file: str | None, **given: object
) -> None:
    """Serve the tasks of this module until told to stop, or do one of the things below.

    SIGTERM or Ctrl-C drains: nothing new is taken, and what runs may end; a second one stops at once.

    The JSON of a call is {"task": "worker.task", "inputs": {…}}; with one task, its inputs alone will do. It runs here,
    with no server; a file of the inputs is the path of one.
    """
    if sum([listed, manifest, stubs_path is not None, file is not None]) > 1:
        raise click.UsageError("--list, --manifest, --stubs-path and --call: one of them")
    if listed:
        _list(asked.workers)
    elif manifest:
        from tidemill.interface.manifest import manifest_of, pretty_document

        click.echo(pretty_document(manifest_of(asked.workers)), nl=False)
    elif stubs_path is not None:
        from tidemill.interface.writing import write_stubs

        write_stubs(asked.workers, stubs_path)
    elif file is not None:
        from tidemill.cli.calling import call_from

        click.echo(call_from(file, asked.workers))
    else:
        _serve(asked, given)


def _list(workers: Sequence[Worker]) -> None:
    from tidemill.sdk.catalog import Catalog

    for task in Catalog(*workers).tasks():
        doc = (task.__doc__ or "").strip().partition("\n")[0]
        click.echo(f"{task.name}{task.signature.text}" + (f"\n    {doc}" if doc else ""))


def _serve(asked: _Asked, given: dict[str, object]) -> None:
    from tidemill.assembly.settings import read_settings
    from tidemill.assembly.signals import Ends
    from tidemill.assembly.worker import run_worker
    from tidemill.cli.again import child_command, own_target
    from tidemill.cli.console import log_to_console
    from tidemill.ports.backend import speaking

    settings = read_settings(given)
    log_to_console(speaking.get)
    run_worker(asked.workers, settings, Ends.WHEN_TOLD, child_command(own_target()), asked.stop)
