"""The end of a watched run: its value, its files, its failures, and a page of it that stays."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import click
import msgspec

from tidemill.cli.main import Exit
from tidemill.cli.options import Output
from tidemill.cli.outline import Outline, summary_of
from tidemill.cli.outputs import fetch_files
from tidemill.cli.show import lines_of, parts_of, scalar
from tidemill.cli.snapshot import snapshot_of
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.core.codes import MEANINGS
from tidemill.core.run import Code
from tidemill.sdk.directory import Directory
from tidemill.sdk.directory import to_wire as directory_to_wire
from tidemill.sdk.file import File, to_wire
from tidemill.wire.api import Finished, RunView

SHOWN_FAILURES = 20
PAGE = "run.html"
SHOWN: Final = object()  # a value that its reader has seen already


@dataclass(frozen=True)
class Ending:
    """What there is to say of a run that has ended."""

    view: RunView
    value: Any
    files: Mapping[str, Path]
    failures: Mapping[str, str]  # of elements of maps, by path
    page: Path

    @property
    def code(self) -> Exit:
        codes = {"succeeded": Exit.OK, "failed": Exit.FAILED, "cancelled": Exit.CANCELLED}
        if self.view.failure is not None and self.view.status == "failed":
            return Exit(MEANINGS[self.view.failure.code].exit)
        return codes.get(self.view.status, Exit.FAULT)


async def gather(client: AsyncClient, run: AsyncRun[Any], finished: Finished, folder: Path, command: str) -> Ending:
    """Fetch the result and its files into ``folder``, and write the run's page beside them."""
    view, steps = await run.view(), await Outline(run).read()
    value = await run.result() if finished.status == "succeeded" else None
    files = await fetch_files(client, value, folder)
    failures = await _failures(run) if any(step.elements.get("failed") for step in steps) else {}
    page = folder / PAGE
    await asyncio.to_thread(_write, page, snapshot_of(view, steps, failures, command))
    return Ending(view, value, files, failures, page)


def _write(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, "utf-8")


async def _failures(run: AsyncRun[Any]) -> dict[str, str]:
    found = {}
    async for event in run.events():
        if event.kind == "element_failed":
            found[event.path] = str(event.detail.get("message", ""))
    return found


def tell(ending: Ending, output: Output) -> None:
    if output is Output.JSON:
        click.echo(json.dumps(document_of(ending), ensure_ascii=False))
    else:
        _tell_people(ending)


def document_of(ending: Ending) -> dict[str, Any]:
    """The one JSON document of ``run --json``."""
    view = ending.view
    return {
        "id": view.id,
        "workflow": view.workflow,
        "status": view.status,
        "value": msgspec.to_builtins(ending.value, enc_hook=_plain),
        "files": {way: str(path) for way, path in ending.files.items()},
        "failure": msgspec.to_builtins(view.failure),
        "reason": view.reason,
        "adjustments": msgspec.to_builtins(view.adjustments),
        "failed_elements": dict(ending.failures),
        "page": str(ending.page),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Directory):
        return directory_to_wire(value)
    return to_wire(value) if isinstance(value, File) else str(value)


def _tell_people(ending: Ending) -> None:
    view = ending.view
    click.echo(f"\n{view.workflow} {summary_of(view)}")
    tell_failure(view)
    tell_adjustments(view)
    _tell_failures(ending.failures)
    _tell_value(ending)
    click.echo(f"the run's page: {ending.page}")
    pages = [path for path in ending.files.values() if path.suffix in (".html", ".htm")]
    for path in pages[:1]:
        click.echo(f"open it: {path.resolve()}")


def tell_failure(view: RunView) -> None:
    """Of a run as a whole: what went wrong and where, or why it was cancelled."""
    if view.failure:
        where = f" at {view.failure.path}" if view.failure.path else ""
        click.echo(f"failed{where}: {view.failure.text}")
        if view.failure.code is Code.INTERNAL:  # nobody meant it, so where in the code it was is wanted
            click.echo(indent(view.failure.traceback, "  "), nl=False)
        for place, reason in view.failure.violations:
            click.echo(f"  {place}: {reason}")
    if view.reason:
        click.echo(f"reason: {view.reason}")


def tell_adjustments(view: RunView) -> None:
    """Numbers of the input that were corrected."""
    for each in view.adjustments:
        click.echo(f"adjusted: {each.path} of {each.step} from {each.given} to {each.used}")


def _tell_failures(failures: Mapping[str, str]) -> None:
    for path, message in list(failures.items())[:SHOWN_FAILURES]:
        click.echo(f"✗ {path}: {message}")
    if len(failures) > SHOWN_FAILURES:
        click.echo(f"  … and {len(failures) - SHOWN_FAILURES:,} more, on the run's page")


def _tell_value(ending: Ending) -> None:
    if ending.view.status != "succeeded" or ending.value is SHOWN:
        return
    for way, path in ending.files.items():
        click.echo(f"{way or 'result'}: {path}")
    rest = _without_files(ending.value, ending.files)
    if rest is not None:
        for line in lines_of(rest):
            click.echo(line)


def _without_files(value: Any, files: Mapping[str, Path]) -> Any:
    """What is left to show of a value whose files were named already; None for nothing."""
    if not files:
        return value if value is not None else scalar(None)
    rest = {str(name): part for name, part in parts_of(value) if not isinstance(part, File | Directory)}
    return rest or None
