"""`tidemill run NAME`: a task or workflow that a server knows, by its name alone; inputs and result are plain data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from tidemill.assembly.settings import Settings
from tidemill.cli.ending import gather, tell
from tidemill.cli.finding import find_server
from tidemill.cli.inputs import PREFIX
from tidemill.cli.main import Exit
from tidemill.cli.options import Output
from tidemill.cli.outputs import FOLDER
from tidemill.cli.screen import screen_for
from tidemill.cli.targets import TargetError
from tidemill.cli.watching import interruptible, watch
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.client.saying import SubmitOptions
from tidemill.graphs.view import Graph


def plain_inputs(rest: Sequence[str], ours: Sequence[str] = ()) -> dict[str, Any]:
    """``--x 3 --names '["a"]' --note hi`` by parameter: JSON where it is some, else text, or @file.json.

    What is given more than once is a list of what was given. A parameter that has the name of one of ``ours``, options
    of the command, is given as ``--param-NAME``.
    """
    found: dict[str, list[Any]] = {}
    parts = iter(rest)
    for part in parts:
        name, equals, value = part.partition("=")
        if not name.startswith("--") or len(name) == 2:
            raise click.UsageError(f"{part!r} is no parameter; write --name value")
        text = value if equals else next(parts, None)
        if text is None:
            raise click.UsageError(f"{name} needs a value")
        bare = name.removeprefix(f"--{PREFIX}")
        bare = bare if bare in ours else name[2:]
        found.setdefault(bare.replace("-", "_"), []).append(_plain(text))
    return {name: given if len(given) > 1 else given[0] for name, given in found.items()}


def _plain(text: str) -> Any:
    try:
        return json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise click.UsageError(f"cannot read {text[1:]}: {error.strerror}") from None
    except ValueError:
        return text


@dataclass(frozen=True)
class Named:
    """What was asked for by a name."""

    name: str
    inputs: dict[str, Any]
    output: Output
    out: Path | None = None
    is_detached: bool = False
    rules: SubmitOptions = field(default_factory=SubmitOptions)
    graph: Graph | None = None  # instead of the one of that name


async def run_named(asked: Named, settings: Settings, missing: TargetError) -> Exit:
    """Raises ``missing``, which says that there is no such target, when there is no server to ask either."""
    found = await find_server(settings)
    if found is None:
        raise missing
    screen = screen_for(asked.output)
    with interruptible() as interrupts:
        async with AsyncClient(found.url) as client:
            run = await _submit(client.options(**asked.rules), asked)
            if asked.is_detached:
                click.echo(run.id)
                return Exit.OK
            screen.say(f"run {run.id}\n{found.page_of(run.id)}")
            finished = await watch(run, screen, interrupts)
            if finished is None:
                click.echo(f"run {run.id} goes on; `tidemill runs cancel {run.id}` ends it", err=True)
                return Exit.DETACHED
            command = f"tidemill server --data {settings.data}"
            ending = await gather(client, run, finished, asked.out or FOLDER / asked.name, command)
    tell(ending, asked.output)
    return ending.code


async def _submit(client: AsyncClient, asked: Named) -> AsyncRun[Any]:
    if asked.graph is not None:
        return await client.submit_graph(asked.graph, asked.inputs)
    return await client.submit_named(asked.name, asked.inputs)
