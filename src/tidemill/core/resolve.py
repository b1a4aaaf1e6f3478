"""Where a node's inputs come from: expressions of the graph turned into places in the run.

Nothing is copied from step to step: an input is found by walking the graph outwards (an input of a body is an
expression of the graph around it) and inwards (an output of a map, a branch or a call is one of its body's).
"""

from collections.abc import Sequence
from itertools import islice

import msgspec

from tidemill.core.chunks import NoSuchFieldError
from tidemill.core.errors import InputError
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    ConstNode,
    Default,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    State,
    TaskNode,
    WaitNode,
)
from tidemill.core.ids import Path
from tidemill.core.node_types import ports_of
from tidemill.core.plan import Place, element_path, join, visit_path
from tidemill.core.rows import Keys
from tidemill.core.run import StepFailed, StepSkipped
from tidemill.core.run_rows import NotThereError, RunRows
from tidemill.core.scopes import MapScope
from tidemill.core.tables import RowsMissingError
from tidemill.core.terms import Constant, Input, ListExpr, RecordExpr, Ref
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


SCOPES_AT_ONCE = 2_000  # of elements, when one is asked which of them failed


class SkippedError(InputError):
    """An output of a step that was left out."""

    def __init__(self, path: Path, because: Path) -> None:
        why = "failed" if path == because else f"was left out, since {because!r} failed"
        super().__init__(f"{path!r} {why}")
        self.path, self.because = path, because


class Resolver(RunRows):
    """Resolves expressions of one run."""

    __slots__ = ()

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
            case State() | LoopNode() if name in (given := self.given(scope)):
                return self.narrow(given[name], fields)
            case node:
                inputs = node.inputs
                if name in inputs:
                    return self.narrow(self.resolve(place.outer, inputs[name]), fields)
                if name not in place.body.graph.optional:  # asked of another run, which was never here
                    raise NotThereError(f"{scope!r} was not entered, and has no {name!r}")
                return self.narrow(Fixed(_encode_json(place.body.graph.optional[name])), fields)

    def element(self, step: Path, node: MapNode, param: str, index: int, fields: FieldPath) -> Source:
        """Element ``index`` of one of the lists of the map at ``step``."""
        scope = self.draft.scope(self.run, step)
        if isinstance(scope, MapScope) and param in scope.split:
            return Element(step, param, index, fields)
        outer = step.rpartition("/")[0]
        return self.narrow(self.resolve(outer, node.over[param]), (index, *fields))

    def _output(self, place: Place, scope: Path, name: str, ref: Ref) -> Source:  # noqa: C901  # one match over a union
        if place.machine:
            return self._visit(place, scope, name, ref)
        path, node = join(scope, name), place.body.graph.nodes[name]
        if self.layout.rescues and (default := self._default(path, node, ref.port)) is not None:
            return self.narrow(default, ref.fields)
        match node:
            case TaskNode() | OpNode() | WaitNode():
                return Output(path, ref.port, ref.fields)
            case ConstNode(value=value):
                return self.narrow(Fixed(_encode_json(value)), ref.fields)
            case MapNode():
                return self.narrow(Gathered(path, ref.port, self.map_scope(path).length), ref.fields)
            case BranchNode():
                arm = self.arm(path)
                body = next(case.body for case in node.cases if case.name == arm)
                return self.narrow(self.resolve(join(path, arm), body.outputs[ref.port]), ref.fields)
            case CallNode(body=body):
                return self.narrow(self.resolve(path, body.outputs[ref.port]), ref.fields)
            case MachineNode():
                return self.narrow(self.resolve(path, self.end_of(path)[ref.port]), ref.fields)
            case LoopNode(body=body):
                last = element_path(path, self.loop_scope(path).round)
                return self.narrow(self.resolve(last, body.outputs[ref.port]), ref.fields)
            case JoinNode():
                return self.narrow(self._joined(path, node, ref.port), ref.fields)

    def _joined(self, path: Path, node: JoinNode, port: str) -> Source:
        """What the arms of a join gave that succeeded, in their order; of a single one, that."""
        done = self.join_scope(path).done
        if len(done) < node.need:
            raise NotThereError(f"the join at {path!r} is not decided")
        arms = [arm for arm in node.arms if arm.name in done]
        given = {arm.name: self.resolve(join(path, arm.name), arm.body.outputs[port]) for arm in arms}
        return given[done[0]] if node.single else ListOf(tuple(given.values()))

    def _default(self, path: Path, node: Node, port: str) -> Source | None:
        """What stands for the output of a node that failed and may. Raises SkippedError."""
        if isinstance(node, ConstNode):
            return None
        step = self.draft.step(self.run, path)
        match step.state if step is not None else None:
            case StepSkipped(because=because):
                raise SkippedError(path, because)
            case StepFailed() if isinstance(node.rescue, Default):
                value = node.rescue.value
                return Fixed(_encode_json(value if len(ports_of(node)) == 1 else value[port]))
            case StepFailed() if node.rescue is not None:
                raise SkippedError(path, path)
            case _:
                return None

    def _visit(self, place: Place, scope: Path, state: str, ref: Ref) -> Source:
        """An output of the latest visit of a state that ended well; null before there was one."""
        number = self.machine_scope(scope).done.get(state)
        if number is None:
            return Fixed(b"null")
        outputs = self.layout.states_of(place)[state].body.outputs
        return self.narrow(self.resolve(visit_path(scope, state, number), outputs[ref.port]), ref.fields)

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
        self._look_at_all([element_path(source.path, at) for at in everything])
        return [at for at in everything if self.failure_at(source.path, element_path(source.path, at)) is None]

    def _look_at_all(self, scopes: list[Path]) -> None:
        """Have the rows of scopes loaded together: one by one, each would begin the decision anew."""
        known, own = self.draft.over.scopes.rows, self.draft.scopes
        keys = ((self.run, path) for path in scopes)
        if missing := [*islice((key for key in keys if key not in known and key not in own), SCOPES_AT_ONCE)]:
            raise RowsMissingError(Keys(scopes=missing))

    def gathered(self, source: Gathered, index: int) -> Source:
        """What element ``index`` of a map gave; a collected failure stands in its place."""
        path = element_path(source.path, index)
        if self.failure_at(source.path, path) is not None:
            return self.failed(path)
        return self.resolve(path, self.layout.scope(path).body.graph.outputs[source.port])


def _pick(items: tuple[Source, ...], index: str | int) -> Source:
    try:
        return items[index]  # type: ignore[index]  # a text raises TypeError
    except (IndexError, TypeError):
        raise NoSuchFieldError(index) from None
