"""Where a graph comes from: a file, standard input, code, or a server that knows it by name or digest."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tidemill.cli.asking import ask
from tidemill.cli.main import nearest
from tidemill.cli.targets import NoSuchTargetError, TargetError, load_target
from tidemill.client.remote import AsyncClient
from tidemill.core.definitions import TaskDefinition
from tidemill.core.documents import DOCUMENT_LIMIT_BYTES
from tidemill.core.errors import InputError, UnavailableError
from tidemill.graphs.view import Graph

STDIN = "-"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def graph_from(source: str, workflow: str = "", url: str | None = None) -> Graph:
    """The one graph of a source: of code the workflow of this name, else its first. Raises TargetError."""
    return graphs_from(source, workflow, url)[0]


def graphs_from(source: str, workflow: str = "", url: str | None = None) -> Sequence[Graph]:
    """All graphs of a source; with a name, the one of that name."""
    if source == STDIN:
        return [Graph(sys.stdin.buffer.read(DOCUMENT_LIMIT_BYTES + 1))]
    if source.startswith("sha256:"):
        return [_asked(source, url)]
    if source.endswith(".json"):
        return [graph_in(Path(source))]
    try:
        found = load_target(source)
    except NoSuchTargetError as missing:
        return [_by_name(source, url, missing)]
    if not found.workflows:
        raise TargetError(f"{source} declares no workflow at its top level; a task alone has no graph to look at")
    known = {each.name: each for each in found.workflows}
    if workflow and workflow not in known:
        raise TargetError(f"{source} has no workflow {workflow}.{nearest(workflow, known)}")
    return [Graph(known[workflow])] if workflow else [Graph(each) for each in found.workflows]


def graph_in(path: Path) -> Graph:
    """A document in a file. Raises InputError, which names the file."""
    try:
        with path.open("rb") as file:
            document = file.read(DOCUMENT_LIMIT_BYTES + 1)
    except OSError as error:
        raise TargetError(f"cannot read {path}: {error.strerror}") from None
    try:
        return Graph(document)
    except InputError as error:
        raise TargetError(f"{path}: {error}") from None


def _by_name(name: str, url: str | None, missing: TargetError) -> Graph:
    try:
        return _asked(name, url)
    except UnavailableError as error:
        raise TargetError(f"{missing}; nor is there a server to ask for a workflow of this name: {error}") from None


def _asked(which: str, url: str | None) -> Graph:
    async def question(client: AsyncClient) -> Graph:
        return await client.graph(which)

    return ask(url, question)


def definitions_at(url: str | None) -> dict[str, TaskDefinition]:
    """Tasks as a server's workers announced them, the newest of each name."""
    return {view.definition.name: view.definition for view in reversed(ask(url, AsyncClient.tasks))}


def shown(text: str) -> str:
    """What a document says, without what would speak to the terminal."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def write_or_print(text: str, to: Path | None) -> None:
    if to is None:
        click.echo(shown(text.rstrip("\n")))
        return
    try:
        to.write_text(text if text.endswith("\n") else text + "\n", "utf-8")
    except OSError as error:
        raise TargetError(f"cannot write {to}: {error.strerror}") from None
    click.echo(f"wrote {to}", err=True)
