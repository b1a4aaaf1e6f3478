"""Where a node's inputs come from: expressions of the graph turned into places in the run.

Nothing is copied from step to step: an input is found by walking the graph outwards (an input of a body is an
expression of the graph around it) and inwards (an output of a map, a branch or a call is one of its body's).
"""

from collections.abc import Sequence

import msgspec

from tidemill.core.chunks import NoSuchFieldError
from tidemill.core.errors import InternalError
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    Constant,
    ConstNode,
    ElementFailure,
    Input,
    ListExpr,
    MapNode,
    RecordExpr,
    Ref,
    TaskNode,
)
from tidemill.core.ids import Path, RunId
from tidemill.core.overlay import Draft
from tidemill.core.plan import Layout, Place, element_path, join
from tidemill.core.run import Failure, MapScope, Scope, StepSucceeded
from tidemill.core.values import (
    Element,
    FieldPath,
    Fixed,
    Gathered,
    ListOf,
    Output,
    RecordOf,
    Source,
)

_encode_json = msgspec.json.Encoder().encode


class Resolver:
    """Resolves expressions of one run."""

    __slots__ = ("draft", "layout", "run")

    def __init__(self, draft: Draft, run: RunId, layout: Layout) -> None:
        self.draft, self.run, self.layout = draft, run, layout

    def resolve(self, scope: Path, expression: Input) -> Source:
        """The source of an expression that stands in the graph of ``scope``."""
        match expression:
            case Ref(node="", port=port, fields=fields):
                return self._input(self.layout.scope(scope), scope, port, fields)
            case Ref(node=node, port=port, fields=fields):
                return self._output(self.layout.scope(scope), scope, node, Ref(port=port, fields=fields))
            case Constant(value=value):
                return Fixed(_encode_json(value))
            case ListExpr(items=items):
                return ListOf(tuple(self.resolve(scope, item) for item in items))
            case RecordExpr(fields=parts):
                return RecordOf({name: self.resolve(scope, part) for name, part in parts.items()})

    def _input(self, place: Place, scope: Path, name: str, fields: FieldPath) -> Source:
        match place.node:
            case None:
                return Output("", name, fields)
            case MapNode(over=over) as node if name in over:
                return self.element(place.step, node, name, place.index, fields)
            case MapNode(inputs=inputs) | BranchNode(inputs=inputs) | CallNode(inputs=inputs):
                if name in inputs:
                    return self.narrow(self.resolve(place.outer, inputs[name]), fields)
                return self.narrow(Fixed(_encode_json(place.body.graph.optional[name])), fields)

    def element(self, step: Path, node: MapNode, param: str, index: int, fields: FieldPath) -> Source:
        """Element ``index`` of one of the lists of the map at ``step``."""
        scope = self.draft.scope(self.run, step)
        if isinstance(scope, MapScope) and param in scope.split:
            return Element(step, param, index, fields)
        outer = step.rpartition("/")[0]
        return self.narrow(self.resolve(outer, node.over[param]), (index, *fields))

    def _output(self, place: Place, scope: Path, name: str, ref: Ref) -> Source:
        path = join(scope, name)
        match place.body.graph.nodes[name]:
            case TaskNode():
                return Output(path, ref.port, ref.fields)
            case ConstNode(value=value):
                return self.narrow(Fixed(_encode_json(value)), ref.fields)
            case MapNode():
                return self.narrow(Gathered(path, ref.port, self.map_scope(path).length), ref.fields)
            case BranchNode() as node:
                arm = self.arm(path)
                body = next(case.body for case in node.cases if case.name == arm)
                return self.narrow(self.resolve(join(path, arm), body.outputs[ref.port]), ref.fields)
            case CallNode(body=body):
                return self.narrow(self.resolve(path, body.outputs[ref.port]), ref.fields)

    def narrow(self, source: Source, fields: FieldPath) -> Source:  # noqa: C901  # one match over a union
        """The part of a source that a field path means."""
        if not fields:
            return source
        match source:
            case Output(path=path, port=port, fields=before):
                return Output(path, port, before + fields)
            case Element(path=path, param=param, index=index, fields=before):
                return Element(path, param, index, before + fields)
            case Fixed(data=data, fields=before):
                return Fixed(data, before + fields)
            case ListOf(items=items):
                return self.narrow(_pick(items, fields[0]), fields[1:])
            case RecordOf(fields=parts):
                if fields[0] not in parts:
                    raise NoSuchFieldError(fields[0])
                return self.narrow(parts[str(fields[0])], fields[1:])
            case Gathered() if isinstance(fields[0], int):
                return self.narrow(self._item(source, fields[0]), fields[1:])
            case Gathered():
                raise NoSuchFieldError(fields[0])

    def _item(self, source: Gathered, index: int) -> Source:
        """Item ``index`` of a map's output list, as its readers count."""
        kept = self.kept(source)
        try:
            return self.gathered(source, kept[index])
        except IndexError:
            raise NoSuchFieldError(index) from None

    def kept(self, source: Gathered) -> Sequence[int]:
        """The elements that a map's output list holds."""
        everything = range(source.length)
        if not self.skips(source):
            return everything
        return [at for at in everything if self.failure_at(source.path, element_path(source.path, at)) is None]

    def gathered(self, source: Gathered, index: int) -> Source:
        """What element ``index`` of a map gave; a collected failure stands in its place."""
        path = element_path(source.path, index)
        if self.failure_at(source.path, path) is not None:
            return self.failed(path)
        return self.resolve(path, self.layout.scope(path).body.graph.outputs[source.port])

    def failure_at(self, step: Path, element: Path) -> Failure | None:
        """Why an element of a map failed, where that did not stop the map."""
        if not self.map_scope(step).failed:
            return None
        scope = self.draft.scope(self.run, element)
        return scope.failure if isinstance(scope, Scope) else None

    def failed(self, element: Path) -> Fixed:
        """A failure as the element of a list, in the wire form of `tidemill.Failure`."""
        scope = self.draft.scope(self.run, element)
        failure = scope.failure if isinstance(scope, Scope) else None
        if failure is None:
            raise InternalError(f"element {element!r} did not fail")
        return Fixed(_encode_json({"$failure": failure.code.value, "message": failure.message, "path": failure.path}))

    def skips(self, source: Gathered) -> bool:
        """Whether the list leaves failed elements out, so that its elements have moved."""
        _, _, node = self.layout.node(source.path)
        skip = isinstance(node, MapNode) and node.on_failure is ElementFailure.SKIP
        return skip and self.map_scope(source.path).failed > 0

    def map_scope(self, path: Path) -> MapScope:
        scope = self.draft.scope(self.run, path)
        if not isinstance(scope, MapScope):
            raise InternalError(f"the map at {path!r} has no scope")
        return scope

    def arm(self, path: Path) -> str:
        step = self.draft.step(self.run, path)
        if step is None or not isinstance(step.state, StepSucceeded):
            raise InternalError(f"the branch at {path!r} is not decided")
        return step.state.arm


def _pick(items: tuple[Source, ...], index: str | int) -> Source:
    try:
        return items[index]  # type: ignore[index]  # a text raises TypeError
    except (IndexError, TypeError):
        raise NoSuchFieldError(index) from None
