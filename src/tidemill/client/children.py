"""Runs that a task starts: what its worker asks of the server for them."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tidemill.client.connection import Connection
from tidemill.client.identity import Identity
from tidemill.client.outcomes import Awaited
from tidemill.client.targets import Target
from tidemill.client.transport import HttpTransport, Transport
from tidemill.core.bodies import ChildCall, SharedCall, SharedEnd
from tidemill.core.ids import Digest, text_of
from tidemill.core.sharing import Fence, NotShared
from tidemill.core.values import Argument, Blob, Inline, Streamed
from tidemill.wire import api
from tidemill.wire.sharing import SharedAsk


class _Raw:
    """Outputs as they come; who asked for them decodes them."""

    def result(self, outputs: Mapping[str, Argument]) -> Any:
        return outputs

    def item(self, data: bytes) -> Any:
        return data


class ChildClient:
    """One for all attempts of a worker, on its control loop."""

    def __init__(self, transport: Transport, identity: Identity | None = None) -> None:
        self._core = Connection(transport, identity or Identity())
        self._awaited: dict[str, Awaited] = {}

    async def submit(self, call: ChildCall, run: str, parent: str) -> str:
        """Start a run under an id, or find the one that has it; gives its status. Raises TidemillError."""
        core, options = self._core, call.options
        submission = api.Submission(
            task=call.task,
            graph=call.graph,
            values=await core.values.send(call.inputs),
            id=run,
            priority=options.priority or 0,
            options=replace(options, priority=None),
            parent=parent,
        )
        awaited = Awaited(run)
        target = Target(_Raw(), task=call.task, graph=call.graph, document=call.document)
        status = (await core.submit(submission, awaited, target)).status
        self._awaited[run] = awaited
        return status

    async def outputs(self, run: str) -> Mapping[str, Argument]:
        """Wait for the end of a run that was submitted here; every value inline.

        Raises RunFailedError, RunCancelledError, UnavailableError.
        """
        awaited = self._awaited.get(run)
        if awaited is None or not awaited.is_open:
            awaited = self._awaited[run] = Awaited(run)
            self._core.outcomes.expect(awaited)
            await self._core.outcomes.ask([run])
        found = await self._core.outputs(await awaited.ended())
        del self._awaited[run]
        return found

    async def share(self, call: SharedCall, fence: Fence) -> SharedEnd:
        """Ask a store or channel; every value inline. Raises TidemillError."""
        sent = await self._core.values.send({"": call.value}) if call.value is not None else {}
        value = sent.get("")
        if isinstance(value, Streamed):
            raise TypeError(value)
        run = text_of(fence.run)
        ask = SharedAsk(run, call.reach, call.name, call.op, value, fence.path, fence.number, fence.write)
        end: SharedEnd = await self._core.calls.post("/shared", ask, SharedEnd)  # type: ignore[arg-type]  # a union
        if isinstance(end, NotShared):
            return end
        at_hand = [(key, await self._at_hand(each), number) for key, each, number in end.entries]
        return replace(end, entries=tuple(at_hand))

    async def _at_hand(self, value: Inline | Blob) -> Inline:
        if isinstance(value, Inline):
            return value
        return Inline(await self._core.blobs.fetch(Digest(value.digest)), value.encoding, value.refs)

    async def close(self) -> None:
        await self._core.close()


def connect(url: str) -> ChildClient:
    return ChildClient(HttpTransport(url))
