"""What a client does with steps under which workers died too often: lists them, lets them go on, discards them."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec.structs import replace

from tidemill.client.calls import escaped
from tidemill.client.control import Control, Controlled
from tidemill.client.transport import checked
from tidemill.core.events import Verdict
from tidemill.wire.api import MSGPACK
from tidemill.wire.attempts import AttemptRecord
from tidemill.wire.exports import Imported
from tidemill.wire.quarantine import QuarantinePage, QuarantineRequest, QuarantineView


class Judged(Controlled):
    """Part of a run."""

    async def release(self, *steps: str, by: str = "") -> Sequence[QuarantineView]:
        """Let steps that are quarantined go on, as if no worker had died under them; all where none is named.

        Raises:
            RefusedError: a step that is named is not quarantined.
        """
        return await self._judge(Verdict.RELEASE, steps, by)

    async def discard(self, *steps: str, by: str = "") -> Sequence[QuarantineView]:
        """Let steps that are quarantined fail, with the code ``worker_lost``."""
        return await self._judge(Verdict.DISCARD, steps, by)

    async def export(self) -> AsyncIterator[bytes]:
        """The run as one file, in pieces: rows, logs, files, with checksums. It must have ended.

        `AsyncClient.import_run` takes it into another server. Source: docs/guide/keeping.md.
        """
        async with self._core.calls.transport.open("GET", f"/api/v1/runs/{self.id}/export", b"", {}) as reply:
            await checked(reply, self._core.calls.transport.url)
            async for chunk in reply.chunks():
                yield chunk

    async def attempt(self, step: str, number: int) -> AttemptRecord:
        """One attempt with its inputs, events, first log lines, host, environment, times, memory and outcome.

        Raises:
            NotFoundError: the run has no such attempt.
        """
        return await self._core.calls.get(f"/runs/{self.id}/attempts/{number}/{escaped(step)}", AttemptRecord)

    async def _judge(self, verdict: Verdict, steps: tuple[str, ...], by: str) -> Sequence[QuarantineView]:
        asked = QuarantineRequest(verdict, run=self.id, steps=steps, by=by)
        return (await self._core.calls.post("/quarantine", asked, QuarantinePage)).steps


class QuarantineOfClient(Control):
    """Part of a client."""

    async def quarantined(self, *, workflow: str = "", after: str = "", limit: int = 50) -> QuarantinePage:
        """Steps that wait for a person, of all runs. Pass a page's ``next`` as ``after`` for the one after it."""
        query = {"workflow": workflow, "after": after, "limit": limit}
        return await self._core.calls.get("/quarantine", QuarantinePage, query)

    async def import_run(self, file: AsyncIterator[bytes]) -> Imported:
        """Take in a run that was exported, under its own id: it can be looked at and forked, and is never executed.

        Raises:
            AlreadySubmittedError: the run is here.
            RefusedError: the file is damaged, half a file, or of a newer version.
        """
        headers = {"content-type": "application/octet-stream", "accept": MSGPACK}
        async with self._core.calls.transport.open("POST", "/api/v1/runs/import", file, headers) as reply:
            await checked(reply, self._core.calls.transport.url)
            return msgspec.msgpack.decode(await reply.read(), type=Imported)

    async def judge(self, request: QuarantineRequest) -> AsyncIterator[QuarantinePage]:
        """Release or discard all that a request finds, bite by bite; each bite is done when it is given."""
        while True:
            bite = await self._core.calls.post("/quarantine", request, QuarantinePage)
            yield bite
            if not bite.next:
                return
            request = replace(request, after=bite.next)
