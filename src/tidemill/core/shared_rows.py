"""Rows of what runs and workflows keep beside values: attributes, stores, channels."""

from typing import Any

from msgspec import Struct

from tidemill.core.ids import Instant, Path, RunId


class Attribute(Struct, frozen=True, gc=False):
    """What one name stands for; ``path`` is the step whose task set it, "" somebody outside."""

    value: Any  # plain data
    at: Instant
    path: Path = ""


class Attributes(Struct, frozen=True):
    """The free attributes of a run (``path`` "") or of a step."""

    run: RunId
    path: Path
    values: dict[str, Attribute]
