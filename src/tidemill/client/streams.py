"""Items of a stream as its readers get them: each in its epoch, and never two epochs mixed unseen."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tidemill.client.tails import Part

T = TypeVar("T")


@dataclass(frozen=True)
class Numbered(Generic[T]):
    """Item ``index`` (from 0) of epoch ``epoch``, which is the number of the attempt that made it."""

    epoch: int
    index: int
    item: T


@dataclass(frozen=True)
class Restarted:
    """The items before this are superseded: a newer attempt streams from its first item on."""

    epoch: int


OnRestart = Callable[[Restarted], None]


async def numbered(
    parts: AsyncIterator[Part], decode: Callable[[bytes], Any]
) -> AsyncIterator[Numbered[Any] | Restarted]:
    async for part in parts:
        yield Restarted(part.restart) if part.restart else Numbered(part.epoch, part.index, decode(bytes(part.item)))
