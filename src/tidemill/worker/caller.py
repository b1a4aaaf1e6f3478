"""The way to the server's API for the runs that tasks start, and for what they share."""

from collections.abc import Mapping
from typing import Protocol

from tidemill.core.bodies import ChildCall, SharedCall, SharedEnd
from tidemill.core.sharing import Fence
from tidemill.core.values import Argument


class Caller(Protocol):
    """Raises UnavailableError for what may work later."""

    async def submit(self, call: ChildCall, run: str, parent: str) -> str:
        """Start a run under an id, or find the one that has it; gives its status. Raises TidemillError."""
        ...

    async def outputs(self, run: str) -> Mapping[str, Argument]:
        """Wait for the end of a run; every value inline. Raises RunFailedError and RunCancelledError."""
        ...

    async def share(self, call: SharedCall, fence: Fence) -> SharedEnd:
        """Ask a store or channel; every value inline. Raises TidemillError."""
        ...

    async def close(self) -> None: ...


class ServerCaller:
    """Over HTTP. The client is imported when the first task starts a run: it weighs 9 MiB."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Caller | None = None

    async def submit(self, call: ChildCall, run: str, parent: str) -> str:
        return await self._connected().submit(call, run, parent)

    async def outputs(self, run: str) -> Mapping[str, Argument]:
        return await self._connected().outputs(run)

    async def share(self, call: SharedCall, fence: Fence) -> SharedEnd:
        return await self._connected().share(call, fence)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _connected(self) -> Caller:
        if self._client is None:
            from tidemill.client.children import connect  # noqa: PLC0415 - see above

            self._client = connect(self._url)
        return self._client
