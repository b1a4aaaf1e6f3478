"""Graphs by digest: parsed once, kept while they are used."""

from collections import OrderedDict

from tidemill.core.documents import parse_document
from tidemill.core.graph import Workflow
from tidemill.core.ids import Digest, Instant
from tidemill.core.plan import Layout
from tidemill.core.rows import GraphRow
from tidemill.ports.store import NEWEST, Queries

KEPT = 1000
PAGE = 100
_SLACK_US = 60_000_000  # of servers that publish at once, the one that began first may commit last


class Graphs:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self.layouts: OrderedDict[Digest, Layout] = OrderedDict()
        self._names: dict[str, Digest] = {}
        self._read_upto: Instant = 0

    async def load(self) -> None:
        """Learn which name means which digest: the newest. All are read once, and then what has come since."""
        found: dict[str, Digest] = {}
        newest, before = self._read_upto, NEWEST
        while rows := await self._queries.graphs(PAGE, before):
            for row in rows:
                found.setdefault(row.name, row.digest)
            newest = max(newest, rows[0].created_at)
            before = (rows[-1].created_at, rows[-1].digest)
            if rows[-1].created_at < self._read_upto - _SLACK_US:
                break
        self._names |= found
        self._read_upto = newest

    def add(self, row: GraphRow, workflow: Workflow) -> None:
        """After the commit of a publication."""
        self._names[row.name] = row.digest
        self._keep(row.digest, workflow)

    def look_at(self, digest: Digest, workflow: Workflow) -> None:
        """Keep a graph in memory for a while; it gets no name, and is not stored."""
        if digest not in self.layouts:
            self._keep(digest, workflow)

    def _keep(self, digest: Digest, workflow: Workflow) -> Layout:
        layout = self.layouts[digest] = Layout(workflow)
        while len(self.layouts) > KEPT:
            self.layouts.popitem(last=False)
        return layout

    async def get(self, digest: Digest) -> Workflow | None:
        layout = await self.layout(digest)
        return layout.workflow if layout else None

    async def layout(self, digest: Digest) -> Layout | None:
        known = self.layouts.get(digest)
        if known is not None:
            self.layouts.move_to_end(digest)
            return known
        row = await self._queries.graph(digest)
        return self._keep(digest, parse_document(row.document)) if row else None

    def by_name(self, name: str) -> Digest | None:
        return self._names.get(name)

    def names(self) -> dict[str, Digest]:
        return dict(self._names)
