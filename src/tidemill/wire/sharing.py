"""Bodies of the HTTP API about stores and channels."""

from typing import Any

from msgspec import Struct

from tidemill.core.sharing import Op, Reach
from tidemill.core.values import Blob, Inline


class SharedAsk(Struct, frozen=True, omit_defaults=True):
    """What a worker asks for an attempt. A write has a number, from 1: sent again under it, it is done once."""

    run: str
    reach: Reach
    name: str
    op: Op
    value: Inline | Blob | None = None
    path: str = ""
    number: int = 0  # of the attempt
    write: int = 0


class StoreValue(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``version``: write only if the entry has this one; 0: if there is none."""

    value: Any
    version: int | None = None


class EntryView(Struct, frozen=True, omit_defaults=True):
    key: str
    value: Any
    version: int


class StorePage(Struct, frozen=True, omit_defaults=True):
    entries: tuple[EntryView, ...]
    next: str = ""  # pass as ?after=; "" ends


class ItemView(Struct, frozen=True, omit_defaults=True):
    number: int
    value: Any


class ChannelPage(Struct, frozen=True, omit_defaults=True):
    items: tuple[ItemView, ...]
    is_over: bool = False  # its run has ended: none will follow
