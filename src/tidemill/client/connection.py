"""What a client and its copies share: the way to the server, and those that send, fetch and listen on it."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tidemill.client.blobs import HttpBlobs
from tidemill.client.calls import Calls
from tidemill.client.errors import error_of
from tidemill.client.files import Files
from tidemill.client.identity import Identity
from tidemill.client.joining import Joining
from tidemill.client.outcomes import Awaited, Outcomes
from tidemill.client.tails import Tails
from tidemill.client.targets import Target
from tidemill.client.transport import Transport
from tidemill.client.values import Values
from tidemill.core.ids import parse_run_id
from tidemill.sdk.errors import RunCancelledError, RunFailedError, RunHaltedError
from tidemill.wire import api

PATIENCE_S = 30.0  # how long a server that was there before may be away


class Connection:
    def __init__(self, transport: Transport, identity: Identity) -> None:
        self.calls = Calls(transport, PATIENCE_S)
        self.identity = identity
        self.blobs = HttpBlobs(transport)
        self.values = Values(self.blobs, self.calls.patiently)
        self.files = Files(self.blobs, self.calls.patiently)
        self.outcomes = Outcomes(self.calls, identity.token)
        self.joining = Joining(self.calls, self.outcomes)
        self.tails = Tails(self.calls)

    async def submit(self, submission: api.Submission, awaited: Awaited, target: Target) -> api.Accepted:
        """Raises what the server says against it."""
        answer = await self.joining.submit(submission, awaited)
        if isinstance(answer, api.Problem) and answer.type == "unknown_graph" and target.document:
            await self.calls.put_json(f"/graphs/{target.graph}", target.document, api.PublishedGraph)
            answer = await self.joining.submit(submission, awaited)
        elif isinstance(answer, api.Problem) and answer.type == "unknown_task" and target.or_workflow:
            submission = replace(submission, task="", workflow=target.task)
            again = await self.joining.submit(submission, awaited)
            answer = answer if isinstance(again, api.Problem) and again.type == "unknown_workflow" else again
        if isinstance(answer, api.Problem):
            raise error_of(answer)
        return answer

    async def outputs(self, finished: api.Finished) -> Mapping[str, Any]:
        """Raises what the end of the run stands for."""
        match finished.status:
            case "failed" if finished.failure is not None:
                raise RunFailedError(finished.id, finished.failure)
            case "cancelled":
                raise RunCancelledError(finished.id, finished.reason)
            case "halted":
                raise RunHaltedError(finished.id, finished.reason)
            case _:
                pass
        outputs = finished.outputs
        if outputs is None:
            outputs = (await self.calls.get(f"/runs/{finished.id}/result", api.Finished)).outputs or {}
        return await self.values.receive(parse_run_id(finished.id), outputs)

    async def close(self) -> None:
        await self.joining.close()
        await self.outcomes.close()
        await self.calls.transport.close()
