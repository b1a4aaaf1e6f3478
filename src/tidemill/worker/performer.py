"""Hands attempts to the back-ends that run their bodies, and brings back what these say, from whatever thread."""

from collections.abc import Callable, Mapping
from functools import partial

from tidemill.core.bodies import ChildCall, ChildEnd, SharedCall, SharedEnd
from tidemill.ports.backend import BackendPort, Ending
from tidemill.ports.belt import Belt
from tidemill.ports.clock import Clock
from tidemill.ports.stage import Stage
from tidemill.sdk.invoke import AnyTask
from tidemill.sdk.options import Backend
from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.children import Children
from tidemill.worker.models import ModelSet
from tidemill.worker.sharing import Sharers


class Performer:
    """Called on the control loop, unless it says otherwise. The host of attempts.

    Args:
        end: called on the control loop with each attempt whose body has ended.
        hear: called there with each attempt that has something to say.
    """

    def __init__(
        self,
        backends: Mapping[Backend, BackendPort],
        stage: Stage,
        facts: tuple[Clock, str, ModelSet],
        end: Callable[[LiveAttempt, Ending], None],
        hear: Callable[[LiveAttempt], None],
    ) -> None:
        self._backends = {each.value: backend for each, backend in backends.items()}
        self.clock, self.worker, self._models = facts
        self._ended = Belt[tuple[LiveAttempt, Ending]](stage.wake_control, lambda ended: end(*ended))
        self._calls = Belt[LiveAttempt](stage.wake_control, hear)
        self._orders = Belt[Callable[[], None]](stage.wake_control, lambda order: order())
        self.children: Children
        self.sharers: Sharers

    def backend_of(self, task: AnyTask) -> BackendPort:
        return self._backends[task.backend.value]

    async def open(self) -> None:
        """Raises TidemillError when a back-end could run nothing."""
        for backend in self._backends.values():
            await backend.open()

    async def close(self) -> None:
        for backend in self._backends.values():
            await backend.close()

    def idle_violation(self) -> str | None:
        found = [backend.idle_violation() for backend in self._backends.values()]
        return (
            next(filter(None, found), None)
            or self._ended.idle_violation()
            or self._calls.idle_violation()
            or self._orders.idle_violation()
        )

    # From any thread --------------------------------------------------------------------------------

    def call(self, attempt: LiveAttempt) -> None:
        """It has something to say."""
        if not attempt.is_called:
            attempt.is_called = True
            self._calls.put(attempt)

    def mark_model(self, name: str, size: int) -> None:
        self._models.mark(name, size)

    def start_child(self, attempt: LiveAttempt, call: ChildCall) -> None:
        self._orders.put(partial(self.children.start, attempt, call))

    def await_child(self, attempt: LiveAttempt, key: bytes, hear: Callable[[ChildEnd], None]) -> None:
        self._orders.put(partial(self.children.wait, attempt, key, hear))

    def share(self, attempt: LiveAttempt, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        self._orders.put(partial(self.sharers.share, attempt, call, hear))

    def end(self, attempt: LiveAttempt, ending: Ending) -> None:
        self._ended.put((attempt, ending))
