"""Where user code runs. Control (link, heartbeats, credit, cancel) never shares a loop with it in production.

```text
control loop (main thread)  --wake_user-->     user loop (a thread of its own): async bodies
                            --in_thread-->     a thread of the pool: one sync body
                            <--wake_control--  both
```
"""

from collections.abc import Callable
from typing import Protocol

Call = Callable[[], None]


class Stage(Protocol):
    """Opened and closed on the control loop. What it calls must not raise."""

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Cancel what still runs on the user loop; threads that do not end are left behind."""
        ...

    def wake_user(self, call: Call) -> None:
        """Run ``call`` soon on the user loop. From any thread."""
        ...

    def wake_control(self, call: Call) -> None:
        """Run ``call`` soon on the control loop. From any thread."""
        ...

    def in_thread(self, name: str, call: Call) -> None:
        """Run ``call`` in a thread of the pool; it waits for one when all are taken. From the control loop."""
        ...

    def block_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait, in a thread of the pool, until ``is_ready``; it is asked again after each `nudge`."""
        ...

    def nudge(self) -> None:
        """Something that a thread may wait for has changed."""
        ...

    def whereabouts(self) -> str:
        """What the user loop executes at this moment: file, line and function, or ""."""
        ...
