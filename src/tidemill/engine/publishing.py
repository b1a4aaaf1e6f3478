"""Graphs on their way in: read, checked against what workers announced, given their digest."""

from tidemill.core.catalog import Catalog
from tidemill.core.documents import digest_of_document, document_of, parse_document
from tidemill.core.graph import TaskNode, Workflow
from tidemill.core.ids import Instant
from tidemill.core.plan import bodies_of
from tidemill.core.rows import GraphRow


def row_of(document: bytes, at: Instant) -> tuple[GraphRow, Workflow]:
    """Read a graph; whether it holds together, the server asked before (`core.build.check`).

    Raises:
        DocumentError: no graph, or another format version.
    """
    workflow = parse_document(document)
    canonical = document_of(workflow)
    return GraphRow(digest_of_document(canonical), canonical, workflow.name, at), workflow


def unverified_of(workflow: Workflow, catalog: Catalog) -> tuple[str, ...]:
    """Tasks in it that no worker ever announced."""
    found: dict[str, None] = {}
    graphs = list(workflow.bodies.values())
    while graphs:
        graph = graphs.pop()
        for node in graph.nodes.values():
            if isinstance(node, TaskNode) and catalog.latest(node.task) is None:
                found[node.task] = None
            graphs += [inner for _, inner in bodies_of(node)]
    return tuple(sorted(found))
