"""Before and after a body: its inputs are fetched, its outputs and files uploaded, its stream's items acknowledged."""

from tidemill.core.bodies import Completed
from tidemill.core.graph import ITEMS
from tidemill.core.terms import VALUE
from tidemill.core.values import Streamed, Value
from tidemill.sdk.errors import PermanentError
from tidemill.wire.worker import FRAME_LIMIT_BYTES, Published
from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.chatter import Chatter
from tidemill.worker.exchange import Exchange, is_small

SAVED_BYTES = FRAME_LIMIT_BYTES // 2  # of the names of an attempt's saved files: one report tells them all
_ENTRY_BYTES = 60  # of each beside them


def is_stored(attempt: LiveAttempt, completed: Completed) -> bool:
    """Whether its report can go at once: the usual case."""
    is_told = attempt.task.signature.item is None and (attempt.events is None or attempt.events.is_durable)
    return is_told and not attempt.saved and is_small(completed.outputs)


def has_nothing_left(attempt: LiveAttempt) -> bool:
    """Whether a body that failed has left neither files nor items or events that must arrive before its report."""
    return not attempt.saved and all(tail.is_durable for tail in attempt.tails)


def inline(completed: Completed) -> dict[str, Value]:
    return {port: encoded.inline for port, encoded in completed.outputs.items()}


class Storing:
    """On the control loop; its coroutines are owned by the course."""

    def __init__(self, exchange: Exchange, chatter: Chatter) -> None:
        self._exchange, self._chatter = exchange, chatter

    async def fetch(self, attempt: LiveAttempt) -> None:
        attempt.inputs = await self._exchange.fetch(attempt.ref.run, attempt.inputs)

    async def store(self, attempt: LiveAttempt, completed: Completed) -> dict[str, Value]:
        """The outputs as a report names them."""
        stored = await self._exchange.store(completed.outputs) if completed.outputs else {}
        if (signature := attempt.task.signature).item is None:
            return stored
        items = Streamed(attempt.ref.number, completed.items)
        return {VALUE if signature.final is None else ITEMS: items, **stored}

    async def publish(self, attempt: LiveAttempt) -> tuple[Published, ...]:
        """Upload what the body saved by name."""
        published = tuple(saved.published for saved in attempt.saved.values())
        if sum(len(each.name.encode()) + len(each.media_type) + _ENTRY_BYTES for each in published) > SAVED_BYTES:
            text = f"it saved {len(published):,} files by name, more than a report has room for; return them instead"
            raise PermanentError(text)
        for saved in attempt.saved.values():
            await self._exchange.upload(saved.local)
        return published

    async def upload_items(self, attempt: LiveAttempt) -> None:
        """Files of the stream's next item go before it."""
        if (stream := attempt.stream) is None:
            return
        async with stream.uploading:
            while local := stream.local:
                for each in local:
                    await self._exchange.upload(each)
                stream.mark_uploaded()
                self._chatter.forward(attempt)

    async def finish_tails(self, attempt: LiveAttempt) -> None:
        """Until all items and events are durable: no report overtakes them."""
        await self.upload_items(attempt)
        self._chatter.forward(attempt)
        for tail in attempt.tails:
            while not tail.is_durable:
                await tail.wait()
