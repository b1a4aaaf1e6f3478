"""How a worker is, for those who watch over it; a look that may be taken from any thread."""

import asyncio
from dataclasses import dataclass

from tidemill.core.glimpse import glimpse
from tidemill.core.ids import text_of
from tidemill.sdk.status import RunningAttempt, WorkerStatus
from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.holdings import Holdings
from tidemill.worker.models import ModelSet
from tidemill.worker.outbox import Outbox
from tidemill.worker.reports import Reports
from tidemill.worker.session import Session
from tidemill.worker.settings import WorkerSettings
from tidemill.worker.slots import ALL, Slots
from tidemill.worker.startup import StartUp
from tidemill.worker.stuck import StuckWatch


@dataclass(frozen=True)
class Looked:
    """The parts that a look is taken at."""

    slots: Slots
    holdings: Holdings
    reports: Reports
    models: ModelSet
    start: StartUp
    stuck: StuckWatch


class Look:
    """``session`` is set with each link."""

    def __init__(self, settings: WorkerSettings, parts: Looked, outbox: Outbox, draining: asyncio.Event) -> None:
        self._settings, self._parts, self._outbox, self._draining = settings, parts, outbox, draining
        self.session: Session | None = None

    def now(self) -> WorkerStatus:
        settings, offers, parts = self._settings, self._settings.offers, self._parts
        room = parts.slots.room()
        live = list(parts.holdings.live.values())  # copied at once: the control loop goes on meanwhile
        return WorkerStatus(
            id=settings.name,
            type=offers.type,
            tags=offers.tags,
            labels=settings.labels,
            resources=offers.resources,
            connected=self._outbox.is_open,
            draining=self._draining.is_set(),
            heard_s=self.session.silence_s if self.session else None,
            held=parts.slots.occupied,
            received=parts.slots.received,
            unconfirmed=len(parts.reports.attempts),
            free=room.pop(ALL),
            free_pools=room,
            hot=dict(parts.models.hot),
            stuck=parts.stuck.stuck,
            phase=parts.start.phase.value,
            attempts=tuple(map(_running, live)),
        )


def _running(attempt: LiveAttempt) -> RunningAttempt:
    assign = attempt.assign
    return RunningAttempt(
        run=text_of(assign.attempt.run),
        path=assign.attempt.path,
        number=assign.attempt.number,
        task=assign.task,
        implementation=assign.implementation,
        state=attempt.phase.value,
        inputs={name: glimpse(name, argument) for name, argument in assign.inputs.items()},
        requires=attempt.task.task_options.requires,
        granted=assign.granted,
    )
