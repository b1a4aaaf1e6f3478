"""One question to a server, for commands that ask and print."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import msgspec

from tidemill.assembly.settings import read_settings
from tidemill.cli.options import Output
from tidemill.client.remote import AsyncClient

T = TypeVar("T")


def ask(url: str | None, question: Callable[[AsyncClient], Awaitable[T]]) -> T:
    """Raises what the client raises; `main` tells it."""

    async def asking() -> T:
        async with AsyncClient(read_settings({"url": url}).server_url) as client:
            return await question(client)

    return asyncio.run(asking())


def tell(output: Output, value: Any, text: str) -> None:
    """An answer of one line, or as JSON."""
    if output is Output.JSON:
        print_json(value)
    else:
        click.echo(text)


def print_json(value: Any) -> None:
    """One document on one line."""
    click.echo(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))
