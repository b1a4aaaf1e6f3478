"""Bodies of the HTTP API about free attributes of runs and steps."""

from typing import Any

from msgspec import Struct, field


class DataChange(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PATCH: all of it is done, or nothing."""

    set: dict[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


class DataView(Struct, frozen=True, omit_defaults=True):
    """Attributes by name. ``path`` is "" for those of the run itself."""

    run: str
    path: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class DataPage(Struct, frozen=True, omit_defaults=True):
    """Of a run, and of its steps that have some."""

    run: dict[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path
    next: str = ""  # pass as ?after= for further steps; "" ends
