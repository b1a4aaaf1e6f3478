"""`tidemill doctor`: whether what a server and a worker need is in order here."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import click

from tidemill.assembly.settings import Settings, read_settings
from tidemill.cli.asking import print_json
from tidemill.cli.finding import answers
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, data_option, output_option, url_option
from tidemill.cli.resources import outlined
from tidemill.cli.server import SERVER_PARTS
from tidemill.cli.show import size, span
from tidemill.core.errors import InputError, UnavailableError
from tidemill.core.version import VERSION

LEAST_FREE = 1024**3
SLOW_SYNC_S = 0.05
SYNCS = 20


@dataclass(frozen=True)
class Finding:
    what: str
    state: str  # ok, note, wrong
    text: str


@click.command()
@url_option
@data_option
@output_option
def doctor(url: str | None, data: Path | None, output: Output) -> Exit:
    """Look at Python, the settings, the installation, the disk and the server; say what is wrong and what to do.

    With --json: {"findings": [{"what", "state", "text"}]}. The exit code is 1 when something is wrong.
    """
    findings = list(_findings(url, data))
    if output is Output.JSON:
        print_json({"findings": [vars(each) for each in findings]})
    else:
        for each in findings:
            click.echo(f"{_MARKS[each.state]} {each.what}: {each.text}")
    return Exit.FAILED if any(each.state == "wrong" for each in findings) else Exit.OK


_MARKS = {"ok": "✓", "note": "·", "wrong": "✗"}


def _findings(url: str | None, data: Path | None) -> Iterator[Finding]:
    yield Finding("tidemill", "ok", f"{VERSION} on Python {sys.version.split()[0]}, {sys.executable}")
    yield _parts()
    yield _resources()
    try:
        settings = read_settings({"url": url, "data": data})
    except InputError as error:
        yield Finding("settings", "wrong", str(error))
        return
    yield Finding("settings", "ok", f"server {settings.server_url}, data folder {settings.data.resolve()}")
    yield from _disk(settings.data)
    if settings.database_url:
        yield asyncio.run(_database(settings))
    yield asyncio.run(_server(settings))


def _parts() -> Finding:
    missing = sorted(part for part in SERVER_PARTS if find_spec(part) is None)
    if missing:
        text = f'{", ".join(missing)} not installed; workers run, a server does not: pip install "tidemill[server]"'
        return Finding("server parts", "note", text)
    return Finding("server parts", "ok", "installed")


def _resources() -> Finding:
    from tidemill.assembly.offers import detect

    found = detect()
    return Finding("resources", "ok", "; ".join([outlined(found.resources), *found.notes]))


def _disk(data: Path) -> Iterator[Finding]:
    place = next(each for each in (data.resolve(), *data.resolve().parents) if each.is_dir())
    free = shutil.disk_usage(place).free
    yield Finding("free space", "ok" if free > LEAST_FREE else "wrong", f"{size(free)} at {place}")
    try:
        with TemporaryDirectory(dir=place) as folder:
            took = _middle_of(lambda: _sync(Path(folder) / "probe"))
    except OSError as error:
        yield Finding("data folder", "wrong", f"cannot write in {place}: {error.strerror}")
        return
    state = "ok" if took < SLOW_SYNC_S else "note"
    slow = (
        "" if state == "ok" else "; each commit waits for this: TIDEMILL_SYNCHRONOUS=normal trusts the system instead"
    )
    yield Finding("disk", state, f"a synced write takes {span(took)}{slow}")


def _middle_of(work: Callable[[], None]) -> float:
    times = []
    for _ in range(SYNCS):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return sorted(times)[SYNCS // 2]


def _sync(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, b"x" * 4096)
        os.fsync(file)
    finally:
        os.close(file)


async def _database(settings: Settings) -> Finding:
    from tidemill.assembly.stores import postgres

    try:
        return Finding("database", "ok", await postgres().look_at(settings))
    except (InputError, UnavailableError) as error:
        return Finding("database", "wrong", str(error))


async def _server(settings: Settings) -> Finding:
    if health := await answers(settings.server_url):
        said = f", and says: {health.status}{health.detail and f', {health.detail}'}" if health.status != "ok" else ""
        return Finding("server", "wrong" if said else "ok", f"answers at {settings.server_url}{said}")
    return Finding("server", "note", f"none answers at {settings.server_url}; `tidemill server` or `dev` starts one")
