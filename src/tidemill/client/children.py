"""Runs that a task starts: what its worker asks of the server for them."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tidemill.client.connection import Connection
from tidemill.client.identity import Identity
from tidemill.client.outcomes import Awaited
from tidemill.client.targets import Target
from tidemill.client.transport import HttpTransport, Transport
from tidemill.core.bodies import ChildCall
from tidemill.core.values import Argument
from tidemill.wire import api


class _Raw:
    """Outputs as they come; who asked for them decodes them."""

    def result(self, outputs: Mapping[str, Argument]) -> Any:
        return outputs

    def item(self, data: bytes) -> Any:
        return data


class ChildClient:
    """One for all attempts of a worker, on its control loop."""

    def __init__(self, transport: Transport) -> None:
        self._core = Connection(transport, Identity())
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

    async def close(self) -> None:
        await self._core.close()


def connect(url: str) -> ChildClient:
    return ChildClient(HttpTransport(url))
