"""`tidemill server`."""

import click

from tidemill.assembly.settings import read_settings
from tidemill.assembly.signals import Ends
from tidemill.cli.console import log_to_console
from tidemill.cli.options import data_option, ends_option
from tidemill.core.errors import InputError

SERVER_PARTS = {"apsw", "cronsim", "httptools", "jsonschema_rs", "starlette", "uvicorn", "websockets"}


class NoServerPartsError(InputError):
    def __init__(self, missing: str) -> None:
        super().__init__(f'the server needs {missing}, which is not installed: pip install "tidemill[server]"')


@click.command()
@click.option("--host", help="The address to listen on.  [default: TIDEMILL_HOST, or 127.0.0.1]")
@click.option("--port", help="0 takes a free one.  [default: TIDEMILL_PORT, or 7070]")
@click.option("--on-lost", help="Of a step under which three workers died: quarantine or fail.  [default: quarantine]")
@click.option(
    "--database-wait", "database_wait_s", help="Seconds to wait for a database that is not there yet.  [default: 60]"
)
@data_option
@ends_option
def server(ends: Ends, **given: object) -> None:
    """Run a server on a data folder.

    It prints its URL when it is ready. SIGTERM or Ctrl-C stops it in order, a second one at once; either way nothing
    that it acknowledged is lost.
    """
    settings = read_settings(given)
    log_to_console()
    try:
        from tidemill.assembly.server import run_server
    except ModuleNotFoundError as error:
        if error.name not in SERVER_PARTS:
            raise
        raise NoServerPartsError(error.name) from None
    run_server(settings, lambda url: click.echo(f"tidemill serves {url} from {settings.store}"), ends)
