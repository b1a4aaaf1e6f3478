"""Graphs of single tasks, made and published when a task is first called."""

import msgspec

from tidemill.core.definitions import TaskDefinition
from tidemill.core.documents import document_of
from tidemill.core.graph import NodeOptions
from tidemill.core.ids import Digest
from tidemill.core.single import graph_of
from tidemill.engine.engine import Engine

_sorted = msgspec.msgpack.Encoder(order="deterministic").encode


class Singles:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._published: dict[tuple[str, bytes], Digest] = {}

    async def graph(self, definition: TaskDefinition, options: NodeOptions) -> Digest:
        """The digest of the graph with this task as its one node; it is durable when this returns."""
        key = (definition.digest, _sorted(options))
        digest = self._published.get(key)
        if digest is None:
            document = document_of(graph_of(definition, options))
            digest = self._published[key] = (await self._engine.publish(document)).digest
        return digest
