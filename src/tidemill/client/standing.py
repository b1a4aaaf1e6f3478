"""A run that stands still, or stood: its breakpoints, what its steps are given and gave."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

from tidemill.client.calls import escaped
from tidemill.client.connection import Connection
from tidemill.client.outcomes import Awaited
from tidemill.wire import api
from tidemill.wire.breaks import ContinueRequest, StepInputs, Stopped


class Stepping(Enum):
    """Whether the next steps of a run stop."""

    NO = "no"
    YES = "yes"


class Inspected:
    """What `AsyncRun` has of a run that is looked into."""

    _core: Connection
    _awaited: Awaited

    @property
    def id(self) -> str:
        return self._awaited.id

    async def stopped(self) -> Stopped:
        """The steps that stand at a breakpoint; `inputs` has what one is given."""
        return await self._core.calls.get(f"/runs/{self.id}/stopped", Stopped)

    async def go_on(
        self, *paths: str, step: Stepping = Stepping.NO, breakpoints: Sequence[str] | None = None
    ) -> Stopped:
        """Let steps at a breakpoint begin, by path or all.

        Args:
            step: whether the next ones stop, whatever they are.
            breakpoints: instead of those that the run has; an empty list takes them away.
        """
        kept = None if breakpoints is None else tuple(breakpoints)
        body = ContinueRequest(paths, step is Stepping.YES, kept)
        return await self._core.calls.post(f"/runs/{self.id}/continue", body, Stopped)

    async def inputs(self, path: str) -> dict[str, Any]:
        """What a step of a task is given, by parameter, as plain data."""
        found = await self._core.calls.get(f"/runs/{self.id}/inputs/{escaped(path)}", StepInputs)
        return found.inputs

    async def value(self, path: str, port: str = "value") -> Any:
        """What a step gave, as plain data; of a map's element or a loop's round too, by its path."""
        where = f"/runs/{self.id}/values/{escaped(path)}?port={escaped(port)}"
        return msgspec.msgpack.decode(await self._core.calls.document(where))

    async def attempts(self, path: str | None = None) -> Sequence[api.AttemptView]:
        found = await self._core.calls.get(f"/runs/{self.id}/attempts", api.AttemptList, {"path": path})
        return found.attempts

    async def artifacts(self) -> Sequence[api.ArtifactView]:
        return (await self._core.calls.get(f"/runs/{self.id}/artifacts", api.ArtifactList)).artifacts
