"""Operations as nodes: their operands are looked at where they lie, and the result is a value like any other.

Functions over a `Mover`.
"""

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InputError
from tidemill.core.fill import Filler, LargeOperandError
from tidemill.core.graph import OpNode
from tidemill.core.ids import Path
from tidemill.core.operations import FAULTS, apply
from tidemill.core.plan import scope_path
from tidemill.core.run import Code, Failure, StepSucceeded
from tidemill.core.terms import VALUE, Size
from tidemill.core.values import INLINE_LIMIT_BYTES, Encoding, Gathered, Inline, refs_in

if TYPE_CHECKING:
    from tidemill.core.moves import Mover

LONGEST_LIST = 1000  # of what a map gave, whose elements lie apart
_pack = msgspec.msgpack.Encoder().encode


def begin_operation(mover: "Mover", path: Path, node: OpNode) -> None:
    """Do it here and now; fetch first what is too large to lie in a row."""
    try:
        data = _pack(apply(node.op, _operands(mover, path, node)))
    except LargeOperandError as error:
        if mover.fetched:  # what was asked for has come
            mover.node_failed(path, Failure(Code.INTERNAL, str(error), path=path))
        else:
            mover.fetch(path)
        return
    except (InputError, *FAULTS) as error:
        mover.node_failed(path, Failure(Code.INVALID_INPUT, f"{node.op}: {error}", path=path))
        return
    mover.fetched = {}
    if len(data) > INLINE_LIMIT_BYTES:
        text = f"{node.op}: the result has {len(data)} bytes; the engine makes at most {INLINE_LIMIT_BYTES}: use a task"
        mover.node_failed(path, Failure(Code.INVALID_INPUT, text, path=path))
        return
    mover.draft.values[mover.id, path, VALUE] = Inline(data, refs=refs_in(data, Encoding.MSGPACK))
    mover.node_done(path, StepSucceeded())


def _operands(mover: "Mover", path: Path, node: OpNode) -> dict[str, object]:
    filler, scope = Filler(mover.resolver, mover.fetched), scope_path(path)
    if node.op == "length":  # of a long list nothing else is looked at
        return {"items": range(int(filler.look(scope, Size(node.inputs["items"]))))}  # type: ignore[call-overload]
    found = {}
    for name, expression in node.inputs.items():
        source = mover.resolver.resolve(scope, expression)
        if isinstance(source, Gathered) and source.length > LONGEST_LIST:
            raise InputError(
                f"{name} has {source.length} items; the engine looks at {LONGEST_LIST} at most: use a task"
            )
        found[name] = filler.plain(source)
    return found
