"""A rule that starts runs, as users write it; `client.schedules.put` has a server keep it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tidemill.core.recurrence import CatchUp, Overlap
from tidemill.sdk.definition import Definition
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.options import Seconds

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Starts ``target`` by the clock: exactly one run for each instant at which it is due.

    ```python
    nightly = Schedule(
        name="nightly", target=report, inputs={"day": "$due_date"}, cron="0 3 * * *", zone="Europe/Berlin"
    )
    client.schedules.put(nightly)
    ```

    Args:
        name: 1 to 100 letters, digits, dots, dashes and underscores. A server keeps one schedule of a name.
        target: a task or workflow, or the name of one. It is looked up when a run starts: the latest version runs.
        inputs: by parameter. In them ``"$due_at"``, ``"$due_date"`` and ``"$schedule"`` stand for the due instant in
            UTC, its date in ``zone``, and the name.
        cron: five fields, six with seconds first, or ``@daily`` and the like, read in ``zone``.
        every: a length of time (a number is seconds, at least 1), counted from ``anchor``, or from 1970 in UTC.
        at: one instant.
        zone: an IANA name.
        start: the first instant that may be due; ``end`` the last.
        overlap: what happens while a run of the schedule goes on.
        queue_limit: how many may wait, with ``Overlap.QUEUE``.
        catch_up: which instants are made up for that came while no server was there, no longer ago than
            ``catch_up_window``.
        jitter: a run starts up to this much later, never past the next instant.
    Raises:
        DefinitionError: what is said cannot be meant.
    """

    name: str
    target: Definition[..., Any] | str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    cron: str = ""
    every: Seconds | None = None
    at: datetime | None = None
    anchor: datetime | None = None
    zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    overlap: Overlap = Overlap.SKIP
    queue_limit: int = 10
    catch_up: CatchUp = CatchUp.LAST
    catch_up_window: Seconds = _DAY
    jitter: Seconds = 0
    priority: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum((bool(self.cron), self.every is not None, self.at is not None)) != 1:
            raise DefinitionError(f"schedule {self.name!r}: give exactly one of cron, every and at")
        if not isinstance(self.target, Definition | str):
            raise DefinitionError(f"schedule {self.name!r}: target is a task, a workflow, or the name of one")
        for name in ("at", "anchor", "start", "end"):
            instant = getattr(self, name)
            if instant is not None and instant.tzinfo is None:
                raise DefinitionError(
                    f"schedule {self.name!r}: {name} has no time zone; give datetime(…, tzinfo=UTC), say"
                )
        self._check_inputs()

    def _check_inputs(self) -> None:
        """Values are the server's to check: some of them are words for the instant."""
        if isinstance(self.target, str):
            return
        known = self.target.signature.parameters
        for name in self.inputs:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known) or 'none'}"
                raise DefinitionError(f"schedule {self.name!r}: {self.target.name} has no parameter {name!r}{hint}")

    @property
    def target_name(self) -> str:
        return self.target if isinstance(self.target, str) else self.target.name
