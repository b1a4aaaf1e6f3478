"""Concurrent submissions of one client share a request: those that come while one is under way form the next."""

import asyncio
from collections.abc import Sequence

from tidemill.client.calls import Calls
from tidemill.client.outcomes import Awaited, Outcomes
from tidemill.core.errors import InternalError, UnavailableError
from tidemill.wire.api import Accepted, Problem, Submission, SubmitMany, SubmittedMany

AT_ONCE = 500
CLOSED = "the client was closed"

Answer = Accepted | Problem
Waiting = tuple[Submission, "asyncio.Future[Answer]"]


class Joining:
    def __init__(self, calls: Calls, outcomes: Outcomes) -> None:
        self._calls, self._outcomes = calls, outcomes
        self._waiting: list[Waiting] = []
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
        batch: list[Waiting] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._send(batch)
        finally:
            self._sending = None
            _fail(batch, InternalError(CLOSED))  # those that have their answer keep it

    async def _send(self, batch: list[Waiting]) -> None:
        try:
            answers = await self._answers(tuple(submission for submission, _ in batch))
        except (UnavailableError, InternalError) as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  # those who wait are told; it is for them to handle
            await self._send_apart(batch, error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _send_apart(self, batch: list[Waiting], error: Exception) -> None:
        """A request that is wrong, or too large, is so by some of its submissions: the others go without them."""
        if len(batch) == 1:
            _fail(batch, error)
            return
        middle = len(batch) // 2
        await self._send(batch[:middle])
        await self._send(batch[middle:])

    async def _answers(self, runs: tuple[Submission, ...]) -> Sequence[Answer]:
        token = await self._outcomes.token()
        found = await self._calls.post("/runs/batch", SubmitMany(runs, token), SubmittedMany)
        if not (found.is_watched and self._outcomes.is_open(token)):
            await self._outcomes.ask([each.id for each in runs])
        answers = [said for each in found.runs if (said := each.accepted or each.problem) is not None]
        if len(answers) != len(runs):
            raise InternalError(f"the server answered {len(answers)} of {len(runs)} submissions")
        return answers

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        left, self._waiting = self._waiting, []
        _fail(left, InternalError(CLOSED))


def _fail(batch: Sequence[Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
