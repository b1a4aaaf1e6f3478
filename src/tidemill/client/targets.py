"""What is submitted: a typed definition with its plans, or a name."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from tidemill.core.bodies import Encoded
from tidemill.core.chunks import pick, plain
from tidemill.core.errors import InternalError
from tidemill.core.graph import NodeOptions
from tidemill.core.terms import VALUE
from tidemill.core.values import Argument, Encoding, Given, GivenList, GivenRecord, Inline
from tidemill.sdk.definition import Definition, Task
from tidemill.sdk.plans import encode_all, plan_of
from tidemill.sdk.workflow import Workflow

_unpack = msgspec.msgpack.Decoder().decode


class Decode(Protocol):
    """How results and items of a run become values."""

    def result(self, outputs: Mapping[str, Argument]) -> Any: ...

    def item(self, data: bytes) -> Any: ...


class Typed:
    def __init__(self, definition: Definition[..., Any]) -> None:
        self._definition = definition

    def result(self, outputs: Mapping[str, Argument]) -> Any:
        return self._definition.decode_result(outputs)

    def item(self, data: bytes) -> Any:
        item = self._definition.signature.item
        return _unpack(data) if item is None else item.decode_bytes(data, Encoding.MSGPACK)


class Plain:
    def result(self, outputs: Mapping[str, Argument]) -> Any:
        """The one output, or a record by port."""
        ports = {port: _plain(each) for port, each in outputs.items()}
        return ports[VALUE] if ports.keys() == {VALUE} else ports

    def item(self, data: bytes) -> Any:
        return _unpack(data)


def _plain(argument: Argument) -> Any:
    match argument:
        case Given(value=Inline(data=data, encoding=encoding), fields=fields):
            return pick(plain(data, encoding), fields)
        case GivenList(items=items):
            return [_plain(item) for item in items]
        case GivenRecord(fields=parts):
            return {name: _plain(part) for name, part in parts.items()}
        case _:
            raise InternalError("a value that lies elsewhere was not fetched")


_anything = plan_of(Any)


async def bind_plain(inputs: Mapping[str, Any]) -> dict[str, Encoded]:
    """Inputs of what is known by name alone, off the loop, for there may be files to read.

    Raises InvalidInputError with each value that has no plain form.
    """
    return await asyncio.to_thread(encode_all, inputs, lambda _: _anything)


NONE_SAID = NodeOptions()


@dataclass(frozen=True)
class Target:
    """Either ``task`` or ``graph`` is set. ``or_workflow``: the name may be a workflow's."""

    decode: Decode
    task: str = ""
    graph: str = ""
    document: bytes = b""
    or_workflow: bool = False
    options: NodeOptions = NONE_SAID
    definition: Definition[..., Any] | None = None

    async def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Encoded]:
        """Off the loop where local files may have to be read for their digests."""
        if self.definition is None:
            raise InternalError("only a definition binds arguments")
        if any(each.plan.may_hold_files for each in self.definition.signature.parameters.values()):
            return await asyncio.to_thread(self.definition.bind, args, kwargs)
        return self.definition.bind(args, kwargs)


def named(name: str) -> Target:
    return Target(Plain(), task=name, or_workflow=True)


def target_of(definition: Definition[..., Any]) -> Target:
    if isinstance(definition, Task):
        return Target(
            Typed(definition),
            task=definition.name,
            options=definition.node_options,
            definition=definition,
        )
    if not isinstance(definition, Workflow):
        raise TypeError(f"{definition!r} cannot be submitted; a task or a workflow can")
    compiled = definition.compiled
    return Target(
        Typed(definition),
        graph=compiled.digest,
        document=compiled.document,
        options=definition.node_options,
        definition=definition,
    )
