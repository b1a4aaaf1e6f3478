"""What a webhook says of a run: made when it is sent, and always the same, since a run that ended never changes."""

from typing import Any

import msgspec
from msgspec.structs import replace

from tidemill.core.errors import InputError
from tidemill.core.ids import text_of
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Run, Succeeded
from tidemill.core.webhooks import TEST, Delivery
from tidemill.engine.engine import Engine
from tidemill.engine.reader import ValueTooLargeError
from tidemill.ports.blobs import BlobMissingError, Blobs
from tidemill.server.values import Plains
from tidemill.server.views import ending, time_text
from tidemill.wire.hooks import RunEvent

RESULTS_LIMIT_BYTES = 16 * 1024  # in JSON

_encode = msgspec.json.Encoder().encode


def message_id(delivery: Delivery) -> str:
    """As `webhook-id` says it."""
    return f"msg_{delivery.id.hex()}"


class Bodies:
    """``url``: of this server, as receivers reach it."""

    def __init__(self, engine: Engine, blobs: Blobs, url: str) -> None:
        self._engine, self._url = engine, url
        self._plains = Plains(engine, blobs, RESULTS_LIMIT_BYTES)

    async def of(self, delivery: Delivery) -> bytes:
        return _encode(await self._event(delivery))

    async def _event(self, delivery: Delivery) -> RunEvent:
        event = RunEvent(delivery.event, time_text(delivery.made_at))
        if delivery.run is None or delivery.event == TEST:
            return event
        event = replace(event, run=text_of(delivery.run), status=delivery.event.removeprefix("run."))
        event = replace(event, link=f"{self._url}/runs/{event.run}", reason=delivery.reason)
        run = (await self._engine.queries.rows(Keys(runs=[delivery.run]))).runs[delivery.run]
        return event if run is None else await self._described(event, run)

    async def _described(self, event: RunEvent, run: Run) -> RunEvent:
        failure, reason, outcome = ending(run.state)
        event = replace(
            event,
            workflow=run.workflow,
            outcome=outcome,
            reason=event.reason or reason,
            failure=None if failure is None else replace(failure, traceback=""),
            created_at=time_text(run.created_at),
            ended_at=time_text(run.ended_at),
            tags=run.tags,
        )
        if not (isinstance(run.state, Ended) and isinstance(run.state.outcome, Succeeded)):
            return event
        results = await self._results(run)
        if isinstance(results, str):
            return replace(event, results_left_out=results)
        return replace(event, results=results)

    async def _results(self, run: Run) -> dict[str, Any] | str:
        """By port; or why they are left out."""
        try:
            results = await self._plains.outputs(run)
        except ValueTooLargeError:
            return "too_large"
        except (InputError, BlobMissingError):
            return "unavailable"
        return results if len(_encode(results)) <= RESULTS_LIMIT_BYTES else "too_large"
