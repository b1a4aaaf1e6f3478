"""Workers that connect: who is let in, and who is told why not."""

import asyncio
import logging

from msgspec.structs import replace

from tidemill.core.definitions import task_digest
from tidemill.core.requirements import fault_of
from tidemill.core.url_names import misnamed
from tidemill.engine.engine import Engine
from tidemill.engine.seats import Dismissal
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.link import Link, LinkDownError
from tidemill.ports.logs import Logs
from tidemill.server.conversation import Conversation
from tidemill.server.outbox import Outbox
from tidemill.server.validate import BadSchemaError, check_definition
from tidemill.wire.worker import (
    PROTOCOL,
    BadMessageError,
    Hello,
    Refused,
    decode_to_server,
    encode_frame,
)

HELLO_WITHIN_S = 10.0

_log = logging.getLogger("tidemill.server")


class WorkerDesk:
    """Serves worker links for one engine."""

    def __init__(self, engine: Engine, logs: Logs, faults: Faults = NO_FAULTS) -> None:
        self._engine, self._logs, self._faults = engine, logs, faults

    async def serve(self, link: Link) -> None:
        """Speak with one worker until the link is down, it says goodbye, or it is refused."""
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                first = decode_to_server(await link.receive())
            hello = first[0] if first else None
            if not isinstance(hello, Hello):
                await _say_no(link, "the first message of a worker is hello")
                return
            refusal = self._refusal(hello) or self._unreadable(hello)
            if refusal is not None:
                await link.send(encode_frame([refusal]))
                return
            outbox = Outbox(link, self._faults)
            await Conversation(self._engine, self._logs, outbox, _named(hello)).hold(first[1:])
        except BadMessageError as error:
            _log.warning("a worker is turned away: %s", error)
            await _say_no(link, str(error))
        except (LinkDownError, TimeoutError):
            return

    def _refusal(self, hello: Hello) -> Refused | None:
        if hello.protocol.partition(".")[0] != PROTOCOL.partition(".")[0]:
            advice = "install the version of tidemill that the server has" if hello.version else "speak protocol 1"
            return Refused(f"the worker speaks protocol {hello.protocol}, the server {PROTOCOL}", advice)
        if len(hello.instance) != 16 or not hello.worker:
            return Refused("hello needs a worker id and an instance of 16 bytes", "see the worker protocol")
        if fault := fault_of(hello.offers):
            return Refused(f"what the worker says that it has makes no sense: {fault}", "correct its settings")
        here = [seat for seat in self._engine.seats.of_worker(hello.worker) if seat.tell is not None]
        rivals = [seat for seat in here if seat.session.id != hello.instance]  # one whose link fell was not fought
        if rivals and self._engine.seats.note_swap(hello.worker, self._engine.clock.now()):
            for seat in rivals:
                seat.dismiss(_SWAPPED)
            return Refused(_SWAPPED.reason, _SWAPPED.advice)
        if wrong := self._misnamed(hello):
            return Refused(wrong, "in URLs names are in lower case, with one - for what is no letter or digit")
        return None

    def _unreadable(self, hello: Hello) -> Refused | None:
        """A schema that is none would otherwise be told to whoever submits first."""
        try:
            for task in hello.tasks:
                if self._engine.catalog.find(task.name, task.digest) != task:
                    check_definition(task)
        except BadSchemaError as error:
            return Refused(str(error), "schemas are JSON Schema, 2020-12, complete in themselves")
        return None

    def _misnamed(self, hello: Hello) -> str:
        """Two tasks that are served at once have URLs of their own; one that nobody serves any more gives its up."""
        names = dict.fromkeys(task.name for task in hello.tasks)
        for seat in self._engine.seats.all():
            if seat.tell is not None and seat.session.worker != hello.worker:
                names.update(dict.fromkeys(task for task, _ in seat.session.tasks))
        return misnamed(names)


_SWAPPED = Dismissal(
    "two processes use one worker id and take over from each other", "give each worker process an id of its own"
)


def _named(hello: Hello) -> Hello:
    """Each task with its digest: a small worker leaves that to us."""
    if all(task.digest for task in hello.tasks):
        return hello
    tasks = [
        task if task.digest else replace(task, digest=task_digest(task.name, task.inputs, task.outputs, task.item))
        for task in hello.tasks
    ]
    return replace(hello, tasks=tuple(tasks))


async def _say_no(link: Link, reason: str) -> None:
    try:
        await link.send(encode_frame([Refused(reason, f"speak protocol {PROTOCOL}")]))
    except LinkDownError:
        return
