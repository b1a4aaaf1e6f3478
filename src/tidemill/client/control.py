"""What a client does to tasks, queues, workers, and to many runs at once."""

from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec.structs import replace

from tidemill.client.calls import escaped
from tidemill.client.connection import Connection
from tidemill.client.standing import Inspected
from tidemill.sdk.errors import InvalidInputError
from tidemill.wire import api, control


class Controlled(Inspected):
    """Part of a run."""

    async def pause(self, reason: str = "", *, by: str = "") -> api.RunView:
        """Let nothing new of it start; running attempts end, and are recorded. Deadlines go on."""
        return await self._core.calls.post(f"/runs/{self.id}/pause", control.PauseRequest(by, reason), api.RunView)

    async def resume(self, *, by: str = "") -> api.RunView:
        return await self._core.calls.post(f"/runs/{self.id}/resume", control.ResumeRequest(by), api.RunView)

    async def remove(self) -> None:
        """Leave nothing of a run that ended: neither results nor history, logs or files that no other run names.

        Raises:
            RefusedError: it has not ended, or another run needs it; the text says which.
        """
        await self._core.calls.delete(f"/runs/{self.id}")

    async def change(
        self, *, priority: int | None = None, tags: Mapping[str, str] | None = None, untag: Sequence[str] = ()
    ) -> api.RunView:
        """Another priority, more or other tags, fewer tags; its queued steps take their new places."""
        change = control.RunChange(priority, dict(tags or {}), tuple(untag))
        return await self._core.calls.send("PATCH", f"/runs/{self.id}", change, api.RunView)


class Control:
    """Part of a client."""

    _core: Connection

    async def pause(
        self, *, task: str = "", queue: str = "", worker: str = "", by: str = "", reason: str = ""
    ) -> control.PauseView:
        """Let nothing new start of a task, from a queue, or on a worker: name one. What runs goes on.

        A run is paused by ``client.run(id).pause()``. Pausing what is paused changes nothing.

        Raises:
            NotFoundError, UnknownTaskError: with the nearest names.
        """
        return await self._core.calls.send(
            "PUT", _place(task, queue, worker), control.PauseRequest(by, reason), control.PauseView
        )

    async def resume(self, *, task: str = "", queue: str = "", worker: str = "") -> control.PauseView:
        return await self._core.calls.send("DELETE", _place(task, queue, worker), None, control.PauseView)

    async def pauses(self) -> Sequence[control.PauseView]:
        """Tasks, queues and workers that are paused."""
        return (await self._core.calls.get("/pauses", control.PauseList)).pauses

    async def bulk(self, request: control.BulkRequest) -> AsyncIterator[api.BulkBite]:
        """Do to all runs that a request finds what it asks for, bite by bite; each bite is done when it is given.

        Runs that are submitted meanwhile are left alone. Begun again, it goes on where it was: what is done stays done.
        """
        while True:
            bite = await self._core.calls.post("/runs/bulk", request, api.BulkBite)
            yield bite
            if not bite.next:
                return
            request = replace(request, before=bite.next)


def _place(task: str, queue: str, worker: str) -> str:
    named = [(kind, name) for kind, name in (("task", task), ("queue", queue), ("worker", worker)) if name]
    if len(named) != 1:
        raise InvalidInputError("name one: task=, queue= or worker=; a run is paused by client.run(id).pause()")
    kind, name = named[0]
    return f"/pauses/{kind}/{escaped(name)}"
