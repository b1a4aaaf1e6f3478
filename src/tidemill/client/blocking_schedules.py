"""`client.schedules` for those who wait."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from tidemill.client.blocking_webhooks import Waiting
from tidemill.client.schedules import AsyncSchedules

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[AsyncSchedules, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[Schedules, P], T]":
    def blocking(self: "Schedules", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.wait(method(self._schedules, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class Schedules:
    """Schedules of a server; see `AsyncSchedules`."""

    def __init__(self, schedules: AsyncSchedules, thread: Waiting) -> None:
        self._schedules, self._thread = schedules, thread

    put = _blocking(AsyncSchedules.put)
    put_spec = _blocking(AsyncSchedules.put_spec)
    list = _blocking(AsyncSchedules.list)
    get = _blocking(AsyncSchedules.get)
    pause = _blocking(AsyncSchedules.pause)
    resume = _blocking(AsyncSchedules.resume)
    trigger = _blocking(AsyncSchedules.trigger)
    backfill = _blocking(AsyncSchedules.backfill)
    rehearse_backfill = _blocking(AsyncSchedules.rehearse_backfill)
    remove = _blocking(AsyncSchedules.remove)
    due = _blocking(AsyncSchedules.due)
    fires = _blocking(AsyncSchedules.fires)
