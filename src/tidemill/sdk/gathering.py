"""The gathering of single calls into batches.

```text
join, join, join … --size is reached, or the first has waited long enough--> one call of the function
   '- an attempt that is cancelled leaves            each gets its own result or error <-'
```
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from tidemill.core.run import Code
from tidemill.sdk.batch import Batch
from tidemill.sdk.errors import InvalidInputError, PermanentError, ResourceError, TransientError
from tidemill.sdk.failures import NotAsDeclaredError
from tidemill.sdk.result import Failure

_ERRORS: dict[Code, Callable[[str], Exception]] = {
    Code.TRANSIENT: TransientError,
    Code.RESOURCE: ResourceError,
    Code.PERMANENT: PermanentError,
    Code.INVALID_INPUT: InvalidInputError,
}

Columns = Mapping[str, list[Any]]


class _Place:
    """One call in a batch. ``result`` is cancelled when it leaves."""

    __slots__ = ("group", "inputs", "result")

    def __init__(self, inputs: Mapping[str, Any], result: "asyncio.Future[Any]") -> None:
        self.inputs, self.result = inputs, result
        self.group: _Group | None = None


class _Group:
    """A batch on its way."""

    def __init__(self, places: list[_Place]) -> None:
        self.places = places
        self.running: asyncio.Task[None] | None = None

    def leave(self) -> None:
        """One of its calls was cancelled: when it was the last one that waits, nobody wants the rest."""
        if self.running and all(place.result.done() for place in self.places):
            self.running.cancel()


class Gathering:
    """The calls of one task that wait for company. On the loop.

    Args:
        run: calls the function with a list per parameter.
        own: keeps a task that no attempt owns.
    """

    def __init__(
        self, batch: Batch, run: Callable[[Columns], Awaitable[Any]], own: Callable[["asyncio.Task[Any]"], None]
    ) -> None:
        self._batch, self._run, self._own = batch, run, own
        self._waiting: list[_Place] = []
        self._timer: asyncio.TimerHandle | None = None

    async def join(self, inputs: Mapping[str, Any]) -> Any:
        """The result of this call; its error is raised."""
        loop = asyncio.get_running_loop()
        place = _Place(inputs, loop.create_future())
        self._waiting.append(place)
        if len(self._waiting) >= self._batch.size:
            self._send()
        elif len(self._waiting) == 1:
            self._timer = loop.call_later(self._batch.wait_s, self._send)
        try:
            return await place.result
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: _Place) -> None:
        if place.group is not None:
            place.group.leave()
            return
        self._waiting.remove(place)
        if not self._waiting:
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        self._stop_timer()
        group = _Group(self._waiting)
        self._waiting = []
        for place in group.places:
            place.group = group
        group.running = asyncio.get_running_loop().create_task(self._settle(group))
        self._own(group.running)

    async def _settle(self, group: _Group) -> None:
        try:
            async for places, outcomes in self._outcomes(group.places):
                for place, outcome in zip(places, outcomes, strict=True):
                    _end(place, outcome)
        except asyncio.CancelledError:
            for place in group.places:
                place.result.cancel()
            raise

    async def _outcomes(self, places: list[_Place]) -> AsyncIterator[tuple[list[_Place], list[Any]]]:
        """Pairs of calls and what became of them, halved until each error is that of those who make it."""
        pending = [places]
        while pending:
            part = [place for place in pending.pop() if not place.result.done()]
            if not part:
                continue
            try:
                given = await self._run(_columns(part))
            except Exception as error:  # noqa: BLE001  # it is raised where each call waits
                if len(part) == 1 or isinstance(error, TransientError):
                    yield part, [error] * len(part)
                else:
                    pending += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                yield part, list(_elements(given, len(part)))


def _columns(places: Sequence[_Place]) -> Columns:
    return {name: [place.inputs[name] for place in places] for name in places[0].inputs}


def _elements(given: Any, count: int) -> Iterator[Any]:
    if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__len__") or len(given) != count:
        told = f"{len(given)} elements" if hasattr(given, "__len__") else type(given).__name__
        error = NotAsDeclaredError(f"the batch had {count} calls, and the task gave {told}: it gives a list, one each")
        return iter([error] * count)
    return iter(given)


def _end(place: _Place, outcome: Any) -> None:
    if place.result.done():
        return
    if isinstance(outcome, Failure):
        outcome = _ERRORS.get(outcome.code, PermanentError)(outcome.message)
    if isinstance(outcome, Exception):
        place.result.set_exception(outcome)
    else:
        place.result.set_result(outcome)
