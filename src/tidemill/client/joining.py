"""Concurrent submissions of one client share a request: those that come while one is under way form the next."""

import asyncio

from tidemill.client.calls import Calls
from tidemill.client.outcomes import Awaited, Outcomes
from tidemill.core.errors import InternalError, TidemillError
from tidemill.wire.api import Accepted, Problem, Submission, SubmitMany, SubmittedMany

AT_ONCE = 500

Answer = Accepted | Problem


class Joining:
    def __init__(self, calls: Calls, outcomes: Outcomes) -> None:
        self._calls, self._outcomes = calls, outcomes
        self._waiting: list[tuple[Submission, asyncio.Future[Answer]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def submit(self, submission: Submission, awaited: Awaited) -> Answer:
        """Returns after the server's commit. A problem of its own is an answer; one of the request is raised."""
        self._outcomes.expect(awaited)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="tidemill submits")
        return await future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._send(batch)
        finally:
            self._sending = None

    async def _send(self, batch: list[tuple[Submission, asyncio.Future[Answer]]]) -> None:
        runs = tuple(submission for submission, _ in batch)
        try:
            token = await self._outcomes.token()
            found = await self._calls.post("/runs/batch", SubmitMany(runs, token), SubmittedMany)
            if not self._outcomes.is_open(token):
                await self._outcomes.ask([each.id for each in runs])
        except TidemillError as error:
            _fail(batch, error)
            return
        except asyncio.CancelledError:
            _fail(batch, InternalError("the client was closed"))
            raise
        for (_, future), answer in zip(batch, found.runs, strict=True):
            said = answer.accepted or answer.problem
            if said is not None and not future.done():
                future.set_result(said)

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)


def _fail(batch: list[tuple[Submission, "asyncio.Future[Answer]"]], error: TidemillError) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
