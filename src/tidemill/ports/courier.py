"""Takes a message to a URL of somebody else's, and tells what was said there."""

from typing import Protocol

from msgspec import Struct


class Parcel(Struct, frozen=True):
    url: str
    headers: dict[str, str]
    body: bytes


class Receipt(Struct, frozen=True):
    """``status`` 0: no answer, and ``error`` says why; ``is_refused``: it must not be asked at all."""

    status: int = 0
    error: str = ""
    answer: str = ""  # its first characters
    wait_s: float = 0.0  # that was asked for
    is_refused: bool = False


class Courier(Protocol):
    async def post(self, parcel: Parcel) -> Receipt:
        """One attempt, bounded in time and in what is read. Raises nothing: what goes wrong is in the receipt."""
        ...

    async def close(self) -> None: ...
