"""`Graph`: a workflow as what it is made of, to look at, to compare and to draw."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from tidemill.core import graph as ir
from tidemill.core.build import Problem, check
from tidemill.core.documents import document_of, parse_document
from tidemill.core.errors import InputError
from tidemill.core.plan import bodies_of
from tidemill.graphs.diff import Change, changes
from tidemill.graphs.dot import dot_of
from tidemill.graphs.mermaid import mermaid_of
from tidemill.graphs.phases import needs_of, phases_of
from tidemill.graphs.sheet import sheet_of
from tidemill.graphs.svg import svg_of
from tidemill.graphs.terminal import terminal_of
from tidemill.graphs.tree import tree_of
from tidemill.graphs.words import gives, kind_of, node_words, transition_words


class NoSuchGraphError(InputError):
    """The workflow has no graph at this place."""


class MissingPackageError(InputError):
    """An optional package is needed for this, and is not installed."""


@dataclass(frozen=True)
class Picture:
    """An SVG file; a notebook shows it."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<picture, {len(self.svg):,} characters of SVG>"


@runtime_checkable
class Compilable(Protocol):
    """What becomes a graph: a workflow, a state machine."""

    @property
    def form(self) -> ir.Workflow: ...


class Graph:
    """A workflow's graph, immutable. Two are equal when their documents are.

    A place in it is a path without numbers: ``""`` for the body of a plain workflow, ``"ocr"`` for that of a state,
    ``"pages"`` for that of a map, ``"style/long"`` for an arm.

    Args:
        source: what was declared, such as ``@workflow``; or a graph document, in JSON.
    Raises:
        InputError: this is no graph document. What compiling a definition raises.
    """

    def __init__(self, source: Compilable | ir.Workflow | bytes | str) -> None:
        if isinstance(source, ir.Workflow):
            self._workflow = source
        elif isinstance(source, bytes | str):
            self._workflow = parse_document(source.encode() if isinstance(source, str) else source)
        else:
            self._workflow = source.form

    # What it is ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._workflow.name

    @property
    def workflow(self) -> ir.Workflow:
        """The internal form."""
        return self._workflow

    @property
    def document(self) -> bytes:
        """Canonical JSON: equal workflows have equal documents."""
        return document_of(self._workflow)

    @property
    def digest(self) -> str:
        """By which a server knows it: ``sha256:…`` of its document."""
        return f"sha256:{hashlib.sha256(self.document).hexdigest()}"

    @property
    def states(self) -> list[str]:
        """Names of its states; of a plain workflow none."""
        return list(self._workflow.states) if self._workflow.is_machine else []

    @property
    def places(self) -> list[str]:
        """Where there is a graph inside it, outermost first."""
        return list(self._bodies())

    def check(self) -> list[Problem]:
        """Each fault with its place; what workers have announced is not known here."""
        return check(self._workflow, {})

    def diff(self, newer: "Graph") -> list[Change]:
        """What is other in ``newer``."""
        return changes(self._workflow, newer._workflow)  # noqa: SLF001  # its own kind

    # Order -----------------------------------------------------------------------------------------

    def phases(self, place: str = "") -> list[list[str]]:
        """The nodes of a graph in phases: those of one phase may run together, once all phases before are done.

        Raises:
            CycleError: nodes that wait for each other; ``cycle`` is their path.
            NoSuchGraphError: there is no graph at this place.
        """
        return phases_of(self.needs(place))

    def order(self, place: str = "") -> list[str]:
        """The nodes of a graph, each after all that it waits for. Raises as `phases` does."""
        return [name for phase in self.phases(place) for name in phase]

    def needs(self, place: str = "") -> dict[str, set[str]]:
        """Each node of a graph with the nodes that it waits for."""
        return needs_of(self._at(place))

    def to_networkx(self, place: str = "") -> Any:
        """A `networkx.DiGraph` of the nodes of a graph, or a `MultiDiGraph` of the states of a machine.

        Nodes have ``kind``, ``title`` and ``type``; transitions have ``label``.

        Raises:
            MissingPackageError: networkx is not installed.
        """
        try:
            networkx = import_module("networkx")
        except ImportError:
            raise MissingPackageError("to_networkx() needs networkx: pip install networkx") from None
        if self._workflow.is_machine and not place:
            return self._machine_in(networkx)
        graph, found = self._at(place), networkx.DiGraph(name=place or self.name)
        for name, node in graph.nodes.items():
            found.add_node(name, kind=kind_of(node), title=node_words(node), type=gives(node))
        for name, needs in needs_of(graph).items():
            found.add_edges_from((need, name) for need in sorted(needs))
        return found

    def _machine_in(self, networkx: Any) -> Any:
        found = networkx.MultiDiGraph(name=self.name)
        for name in self._workflow.states:
            found.add_node(name, kind="state", title=name, start=name == self._workflow.start)
        for name, state in self._workflow.states.items():
            for each in state.transitions:
                target = each.to
                if isinstance(target, ir.End):
                    target = f"end: {target.status or target.outcome.value}"
                    found.add_node(target, kind="end", title=target)
                found.add_edge(name, target, label=transition_words(each))
        return found

    def _at(self, place: str) -> ir.Graph:
        bodies = self._bodies()
        if place not in bodies:
            known = ", ".join(repr(each) for each in bodies)
            if not place:
                raise NoSuchGraphError(f"{self.name} is a machine of states; say which graph: {known}")
            raise NoSuchGraphError(f"{self.name} has no graph at {place!r}; it has {known}")
        return bodies[place]

    def _bodies(self) -> Mapping[str, ir.Graph]:
        found: dict[str, ir.Graph] = {}
        left = list(reversed(self._workflow.bodies.items()))
        while left:
            place, body = left.pop()
            found[place] = body
            for name, node in reversed(body.nodes.items()):
                here = f"{place}/{name}" if place else name
                inner = bodies_of(node) if not isinstance(node, ir.MachineNode) else list(bodies_of(node))[1:]
                left += [(f"{here}/{arm}" if arm else here, each) for arm, each in reversed(list(inner))]
        return found

    # Pictures --------------------------------------------------------------------------------------

    def svg(self) -> str:
        """A picture for light and dark pages. Raises TooLargeError past 2,000 parts, as each drawing does."""
        return svg_of(sheet_of(self._workflow), self.name)

    def mermaid(self) -> str:
        return mermaid_of(sheet_of(self._workflow))

    def dot(self) -> str:
        """In the language of Graphviz."""
        return dot_of(sheet_of(self._workflow), self.name)

    def text(self) -> str:
        """Drawn with box characters."""
        return terminal_of(sheet_of(self._workflow))

    def tree(self) -> str:
        """Lines: states with their transitions, nodes with what they take and give."""
        return "\n".join(tree_of(self._workflow))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows."""
        return {"image/svg+xml": self.svg(), "text/plain": self.tree()}

    def __repr__(self) -> str:
        return f"Graph({self.name}, {self.digest[:15]}…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.document == other.document

    def __hash__(self) -> int:
        return hash(self.document)
