"""`tidemill graph`: check, look at, compare, draw and carry workflows as graphs."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from tidemill.cli.asking import ask, print_json
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, output_option, url_option
from tidemill.cli.show import table
from tidemill.cli.sources import definitions_at, graph_from, graph_in, graphs_from, shown, write_or_print
from tidemill.client.remote import AsyncClient
from tidemill.core.build import Problem, check
from tidemill.graphs.tree import phases_tree
from tidemill.graphs.view import Graph
from tidemill.sdk.errors import DefinitionError
from tidemill.wire.api import PublishedGraph

SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot"}
FORMATS = {"text": Graph.text, "svg": Graph.svg, "mermaid": Graph.mermaid, "dot": Graph.dot}

_workflow = click.option("--workflow", default="", metavar="NAME", help="Of code: this workflow.  [default: the first]")
_to = click.option("-o", "--output", "to", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")


@click.group()
def graph() -> None:
    """Check, look at, compare, draw and carry workflows as graphs.

    SOURCE is a graph document (FILE.json, or - for standard input), a target with workflows as for `tidemill run`
    (a folder, a file, module:name), or the name or digest (sha256:…) of a workflow that a server knows.
    """


@graph.command(name="check")
@click.argument("source")
@_workflow
@url_option
@output_option
def check_graph(source: str, workflow: str, url: str | None, output: Output) -> Exit:
    """Whether SOURCE holds together: every problem, with its place. The exit code is 1 if there is one.

    With --url, edges are checked against the tasks that the workers of that server announced, too.
    With --json: {"graphs": [{"name", "digest", "problems": [{"place", "reason"}]}]}.
    """
    try:
        graphs = graphs_from(source, workflow, url)
    except DefinitionError as error:  # what its code cannot be traced for
        return _tell_checked([("", "", [Problem("", str(error))])], output)
    known = definitions_at(url) if url is not None else {}
    return _tell_checked([(each.name, each.digest, check(each.workflow, known)) for each in graphs], output)


def _tell_checked(found: list[tuple[str, str, list[Problem]]], output: Output) -> Exit:
    wrong = any(problems for _, _, problems in found)
    if output is Output.JSON:
        print_json({"graphs": [{"name": name, "digest": digest, "problems": told} for name, digest, told in found]})
        return Exit.FAILED if wrong else Exit.OK
    for name, digest, problems in found:
        if not problems:
            click.echo(shown(f"✓ {name} is in order  {digest[:19]}"))
        for problem in problems:
            click.echo(shown(f"✗ {f'{name}: ' if name else ''}{problem.text}"))
    return Exit.FAILED if wrong else Exit.OK


@graph.command()
@click.argument("source")
@_workflow
@click.option("--phases", "by_phases", is_flag=True, help="What may run together, and in what order.")
@url_option
@output_option
def show(source: str, workflow: str, by_phases: bool, url: str | None, output: Output) -> None:  # noqa: FBT001  # click's
    """States with their transitions, nodes with what they take and give.

    With --json: {"name", "digest", "inputs", "outputs", "states", "phases": {PLACE: [[NODE, ...], ...]}}.
    """
    found = graph_from(source, workflow, url)
    if output is Output.JSON:
        print_json(_described(found))
    else:
        write_or_print("\n".join(phases_tree(found.workflow)) if by_phases else found.tree(), None)


def _described(found: Graph) -> dict[str, Any]:
    shape = found.workflow.shape
    return {
        "name": found.name,
        "digest": found.digest,
        "inputs": shape.inputs,
        "outputs": shape.types,
        "states": found.states,
        "phases": {place: found.phases(place) for place in found.places},
    }


@graph.command()
@click.argument("old")
@click.argument("new")
@url_option
@output_option
def diff(old: str, new: str, url: str | None, output: Output) -> Exit:
    """What is other in NEW than in OLD: states, transitions, nodes, inputs, types, options. The exit code is 1 if any.

    With --json: {"changes": [{"place", "change", "what", "old", "new"}]}; "what" is "" where the place came or went.
    """
    found = graph_from(old, "", url).diff(graph_from(new, "", url))
    if output is Output.JSON:
        print_json({"changes": [msgspec.structs.asdict(each) for each in found]})
    else:
        click.echo(shown("\n".join(each.text for each in found)) or "they are the same")
    return Exit.FAILED if found else Exit.OK


@graph.command()
@click.argument("source")
@_workflow
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="[default: by the file's name, else text]")
@_to
@url_option
def draw(source: str, workflow: str, form: str | None, to: Path | None, url: str | None) -> None:
    """Draw SOURCE: in the terminal, as SVG (for light and dark pages), for Mermaid or for Graphviz."""
    form = form or (SUFFIXES.get(to.suffix, "text") if to is not None else "text")
    write_or_print(FORMATS[form](graph_from(source, workflow, url)), to)


@graph.command()
@click.argument("source")
@_workflow
@_to
@url_option
def export(source: str, workflow: str, to: Path | None, url: str | None) -> None:
    """Write the document of SOURCE, in JSON; docs/schemas/graph-1.json is its schema."""
    document = json.loads(graph_from(source, workflow, url).document)
    write_or_print(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True), to)


@graph.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@url_option
@output_option
def import_graph(file: Path, url: str | None, output: Output) -> None:
    """Publish the graph document in FILE (- for standard input): the server then runs it by its name or digest.

    With --json: {"digest", "name", "unverified"}: tasks that no worker has announced.
    """
    found = graph_from("-") if str(file) == "-" else graph_in(file)

    async def publishing(client: AsyncClient) -> PublishedGraph:
        return await client.publish(found)

    answer = ask(url, publishing)
    if output is Output.JSON:
        print_json(answer)
        return
    click.echo(f"published {answer.name} {answer.digest}")
    if answer.unverified:
        click.echo(f"no worker has announced {', '.join(answer.unverified)}", err=True)


@graph.command(name="list")
@click.argument("source", required=False)
@url_option
@output_option
def list_graphs(source: str | None, url: str | None, output: Output) -> None:
    """Graphs that were published to the server, newest first; or those of SOURCE.

    With --json: {"graphs": [{"name", "digest", "created_at"}]}; those of SOURCE have no time.
    """
    if source is None:
        published = ask(url, AsyncClient.graphs)
        rows = [(each.name, each.digest, each.created_at) for each in published]
    else:
        rows = [(each.name, each.digest, "") for each in graphs_from(source, "", url)]
    if output is Output.JSON:
        print_json({"graphs": [{"name": name, "digest": digest, "created_at": at} for name, digest, at in rows]})
        return
    lines = [(name, at[:19].replace("T", " "), digest[:19]) for name, digest, at in rows]
    for line in table(lines, ("workflow", "published (UTC)", "graph")):
        click.echo(line)
