"""Items of a stream, printed as they come: for people as results are, for programs on a line of JSON each."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import click
import msgspec

from tidemill.cli.asking import print_json
from tidemill.cli.ending import SHOWN, Ending
from tidemill.cli.options import Output
from tidemill.cli.screen import PlainScreen
from tidemill.cli.show import lines_of, parts_of
from tidemill.cli.watching import Interrupts, watch
from tidemill.client.remote import AsyncRun
from tidemill.client.streams import Numbered, Restarted
from tidemill.sdk.file import File, to_wire
from tidemill.sdk.result import Streamed
from tidemill.wire.api import Finished, StepView


async def print_items(run: AsyncRun[Any], output: Output, *, path: str = "", offset: int = 0, attempt: int = 0) -> None:
    """Until there will be no more; ends so also when the run failed, which its asker tells."""
    async for each in run.numbered(offset, path=path, attempt=attempt):
        if output is Output.JSON:
            print_json({"restart": each.epoch} if isinstance(each, Restarted) else _document(each))
        elif isinstance(each, Restarted):
            click.echo(f"— attempt {each.epoch} begins anew; what came before is superseded —", err=True)
        else:
            for line in _lines(each.item):
                click.echo(line)


def _lines(item: Any) -> Iterable[str]:
    """Of an item with parts, as of one in a list, so that it is seen where the next one begins."""
    if isinstance(item, str):
        return [item]
    return lines_of([item] if parts_of(item) else item)


def _document(each: Numbered[Any]) -> dict[str, Any]:
    return {"epoch": each.epoch, "index": each.index, "item": _plain(each.item)}


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=lambda part: to_wire(part) if isinstance(part, File) else str(part))


class _ItemsScreen(PlainScreen):
    """Nothing but what is said: the items are what is to be seen."""

    def show(self, steps: Sequence[StepView]) -> None:
        """The items show how far it is."""


async def watch_items(run: AsyncRun[Any], output: Output, interrupts: Interrupts) -> Finished | None:
    """Print the items of the run's result until it ends; None when the person who watches leaves it."""
    printing = asyncio.create_task(print_items(run, output))
    try:
        finished = await watch(run, _ItemsScreen(), interrupts)
        if finished is not None and finished.status == "succeeded":
            await printing
    finally:
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)
    return finished


def without_items(ending: Ending, output: Output) -> Ending:
    """What is left to tell people: the final value, if there is one. Programs get the whole as their last line."""
    if output is Output.JSON:
        return ending
    return replace(ending, value=ending.value.final if isinstance(ending.value, Streamed) else SHOWN)
