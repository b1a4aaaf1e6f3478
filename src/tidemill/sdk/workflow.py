"""`Workflow`: a plainly typed function, run with stand-ins for its inputs; the calls that it makes are its graph.

The trace is made at first use, so that functions may name what is defined further down, and made twice: two graphs
say that the body looked at a clock, at chance or at the environment.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, ParamSpec, TypeVar, cast, overload

from msgspec import Struct

from tidemill.core import graph as ir
from tidemill.core.build import check
from tidemill.core.documents import digest_of_document, document_of
from tidemill.core.graph import FORMAT, CallNode, NodeOptions, State
from tidemill.core.ids import digest_text
from tidemill.core.plan import bodies_of
from tidemill.core.terms import VALUE, Input
from tidemill.sdk.declaring import check_name, local_names
from tidemill.sdk.definition import Definition, recording
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.expressions import expression_of
from tidemill.sdk.nodes import Trace
from tidemill.sdk.schemas import closed_document
from tidemill.sdk.signature import read_workflow
from tidemill.sdk.standin import Standin, TraceError
from tidemill.sdk.syntax import check_body
from tidemill.sdk.tracer import Captures
from tidemill.sdk.words import with_endings

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Compiled(Struct, frozen=True):
    """A workflow as a server takes it. ``document`` is its canonical JSON, ``digest`` the text of its sha256."""

    workflow: ir.Workflow
    document: bytes
    digest: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that it uses, wherever inside; sorted."""
        return tuple(sorted({task for body in self.workflow.bodies.values() for task in _tasks_of(body)}))


class Workflow(Definition[P, R_co]):
    """A traced function."""

    kind = "workflow"
    used: tuple[Definition[..., Any], ...] = ()  # what its body called, once there is its graph
    final: ir.Final | None = None  # what runs at the end, once there is its graph
    no_finally = ""  # why `finally_` cannot stand in its body
    _is_tracing = False

    @functools.cached_property
    def compiled(self) -> Compiled:
        """Raises DefinitionError: what no trace can follow, with the place; two traces that differ."""
        document = document_of(self.built)
        return Compiled(self.built, document, digest_text(digest_of_document(document)))

    @functools.cached_property
    def built(self) -> ir.Workflow:
        graph = self.graph  # its trace finds what runs at the end, too
        workflow = ir.Workflow(FORMAT, self.name, "", {"": State(graph)}, final=self.final)
        problems = check(workflow, {})
        if problems:
            raise TraceError(f"{self.kind} {self.name}: " + "; ".join(problem.text for problem in problems))
        return workflow

    @functools.cached_property
    def graph(self) -> ir.Graph:
        if self._is_tracing:
            raise TraceError(f"{self.kind} {self.name} contains itself; a graph has an end, so loop inside a task")
        self._is_tracing = True
        try:
            check_body(self._fn)
            first, before = self._traced(), self.final
            second = self._traced()
        finally:
            self._is_tracing = False
        if first != second or before != self.final:
            raise TraceError(
                f"{self.kind} {self.name} gave two graphs in two traces: its body reads a clock, chance, the "
                "environment or what it changed itself; make that an input, or do it in a task"
            )
        return first

    @property
    def form(self) -> ir.Workflow:
        """The graph document that it becomes; `tidemill.Graph` looks at it. Raises DefinitionError."""
        return self.compiled.workflow

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """In a notebook it shows its picture."""
        drawn: dict[str, str] = import_module("tidemill.graphs.view").Graph(self)._repr_mimebundle_()
        return drawn

    @property
    def submitted_as(self) -> tuple[str, str, bytes]:
        return "", self.compiled.digest, self.compiled.document

    def node_of(self, inputs: dict[str, Input]) -> CallNode:
        if self.node_options != NodeOptions():
            raise TraceError(f"workflow {self.name}: a nested workflow has no options but its name; set them on tasks")
        graph = self.graph
        if self.final is not None:
            raise TraceError(
                f"workflow {self.name} has a finally_, which runs at the end of a run: it cannot be a part"
            )
        return CallNode(self.name, inputs, graph)

    def run_here(self, bound: dict[str, Any]) -> Any:
        with with_endings():
            return super().run_here(bound)

    def _traced(self) -> ir.Graph:
        trace = Trace(None, Captures())
        trace.no_finally = self.no_finally
        signature = self.signature
        standins = {name: trace.input(name, each.plan) for name, each in signature.parameters.items()}
        trace.inputs = {name: closed_document(schema) for name, schema in trace.inputs.items()}
        token = recording.set(trace)
        try:
            value = self._fn(**standins)
            outputs = self._outputs(trace, value)
        except DefinitionError as error:
            raise TraceError(f"{self.kind} {self.name}{self._place_of(error)}: {error}") from error
        finally:
            recording.reset(token)
        self.used, self.final = tuple(trace.used), trace.final
        types = {port: plan.schema for port, plan in signature.outputs.items()}
        optional = {
            name: each.plan.plain(each.default) for name, each in signature.parameters.items() if not each.is_required
        }
        return trace.graph(outputs, types, optional)

    def _outputs(self, trace: Trace, value: Any) -> dict[str, Input]:
        signature = self.signature
        if signature.tuple_type is None:
            return {VALUE: expression_of(trace, value, signature.result.kind, "its result")}
        if not isinstance(value, tuple | Standin):
            raise TraceError(f"its result takes {signature.result.name}, not {value!r}")
        ports = signature.outputs.items()
        return {
            port: expression_of(trace, part, plan.kind, f"its output {port}")
            for (port, plan), part in zip(ports, value, strict=True)
        }

    def _place_of(self, error: BaseException) -> str:
        """The line of the body that an error came from."""
        traceback, line = error.__traceback__, 0
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self._fn.__code__.co_filename:
                line = traceback.tb_lineno
            traceback = traceback.tb_next
        return f" ({self._fn.__code__.co_filename.rpartition('/')[2]}:{line})" if line else ""


def _tasks_of(body: ir.Graph) -> Iterator[str]:
    for node in body.nodes.values():
        if isinstance(node, ir.TaskNode):
            yield node.task
            if node.undo is not None:
                yield node.undo.task
        for _, inner in bodies_of(node):
            yield from _tasks_of(inner)


class WorkflowDecorator:
    def __init__(self, name: str = "") -> None:
        self._name = name

    def __call__(self, body: Callable[P, R], /) -> Workflow[P, R]:
        return cast("Workflow[P, R]", self.declared(body, local_names(depth=2)))

    def declared(self, body: Callable[..., Any], names: Mapping[str, Any]) -> Workflow[..., Any]:
        name = self._name or getattr(body, "__name__", "")
        for part in name.split("."):
            check_name(part, "workflow")
        made = Workflow[..., Any](name, body, read_workflow, names)
        made.read_early()
        return made


@overload
def workflow(body: Callable[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(name: str, /) -> WorkflowDecorator: ...
def workflow(first: Callable[..., Any] | str, /) -> object:
    """Declare a workflow: ``@workflow``, or ``@workflow("name")``."""
    return WorkflowDecorator(first) if isinstance(first, str) else WorkflowDecorator().declared(first, local_names(2))
