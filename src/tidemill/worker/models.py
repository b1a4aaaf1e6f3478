"""Which models this worker has in memory and on disk, and how the server hears of it.

Marks come from any thread, by a belt; on the control loop they are gathered for `DEBOUNCE_S`, and the whole set is
sent when it differs from what the server was told. A hello tells it too.
"""

import asyncio
import logging
from collections.abc import Callable

from msgspec.structs import replace

from tidemill.core.bodies import COLD
from tidemill.core.requirements import Capability
from tidemill.ports.belt import Belt
from tidemill.wire.worker import Models
from tidemill.worker.outbox import Outbox

DEBOUNCE_S = 0.1
HOT_LIMIT = 500  # models of one worker in memory: a message tells all of them

log = logging.getLogger(__name__)


class ModelSet:
    """On the control loop, but for ``mark``."""

    def __init__(self, declared: Capability, outbox: Outbox, wake: Callable[[Callable[[], None]], None]) -> None:
        self._outbox = outbox
        self._marks = Belt[tuple[str, int]](wake, self._take)
        self._hot, self._disk = dict(declared.hot), dict(declared.disk)
        self._told: dict[str, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def hot(self) -> dict[str, int]:
        """Sizes in bytes by name; 0 where not known."""
        return self._hot

    def mark(self, name: str, size: int) -> None:
        """From any thread; ``size`` is COLD for one that left the memory."""
        self._marks.put((name, size))

    def told(self, declared: Capability) -> Capability:
        """What a hello says."""
        self._told = dict(self._hot)
        return replace(declared, hot=self._told, disk=self._disk)

    def say(self) -> None:
        """Tell the server, if it does not know: at a welcome, and some time after a mark."""
        self._timer = None
        if self._outbox.is_open and self._hot != self._told:
            self._told = dict(self._hot)
            self._outbox.put(Models(self._told, self._disk))

    def idle_violation(self) -> str | None:
        return self._marks.idle_violation()

    def _take(self, mark: tuple[str, int]) -> None:
        name, size = mark
        if len(self._hot) >= HOT_LIMIT and size != COLD and name not in self._hot:
            log.warning("model %s is not told of: %d are in memory already; mark_cold takes one out", name, HOT_LIMIT)
            return
        self._hot = {known: bytes_ for known, bytes_ in self._hot.items() if known != name}
        if size != COLD:
            self._hot[name] = size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DEBOUNCE_S, self.say)
