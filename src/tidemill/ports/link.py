"""A stream of frames between two processes: in order, each once, until the link dies; then a suffix is lost."""

from typing import Protocol

from tidemill.core.errors import UnavailableError


class LinkDownError(UnavailableError):
    """The link is gone; neither end knows which of the last frames arrived.

    Args:
        retry_after_s: the peer asks not to be tried again before.
    """

    def __init__(self, message: str = "", *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LinkRefusedError(UnavailableError):
    """The peer took the connection and refuses it for a reason that waiting does not cure."""


class Link(Protocol):
    async def send(self, frame: bytes) -> None:
        """Returns when the frame is handed over; waits while the peer does not read. Raises LinkDownError."""
        ...

    async def receive(self) -> bytes:
        """The next frame. Raises LinkDownError when the link is dead and all that arrived was read."""
        ...

    async def close(self) -> None: ...


class Dialer(Protocol):
    async def dial(self) -> Link:
        """Connect once. Raises LinkDownError (try again) or LinkRefusedError (do not)."""
        ...
