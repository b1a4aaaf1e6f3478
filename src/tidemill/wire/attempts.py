"""One attempt as a record: what it was given, what it said, what came of it."""

from typing import Any

from msgspec import Struct

from tidemill.wire.api import AttemptView, EmittedView, LogLineView


class AttemptRecord(Struct, frozen=True):
    """``logs`` are its first lines, ``more_logs`` whether there are further ones: `/runs/{run}/logs` has them all."""

    attempt: AttemptView
    inputs: dict[str, Any]  # by parameter; the same for all attempts of a step
    events: tuple[EmittedView, ...]
    logs: tuple[LogLineView, ...]
    more_logs: bool = False
