"""`client.webhooks` for those who wait."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from tidemill.client.webhooks import AsyncWebhooks

P = ParamSpec("P")
T = TypeVar("T")


class Waiting(Protocol):
    """A thread that runs what it is given."""

    def wait(self, work: Coroutine[Any, Any, T], /) -> T: ...


def _blocking(
    method: Callable[Concatenate[AsyncWebhooks, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[Webhooks, P], T]":
    def blocking(self: "Webhooks", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.wait(method(self._webhooks, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class Webhooks:
    """Webhooks of a server; see `AsyncWebhooks`."""

    def __init__(self, webhooks: AsyncWebhooks, thread: Waiting) -> None:
        self._webhooks, self._thread = webhooks, thread

    add = _blocking(AsyncWebhooks.add)
    list = _blocking(AsyncWebhooks.list)
    get = _blocking(AsyncWebhooks.get)
    remove = _blocking(AsyncWebhooks.remove)
    test = _blocking(AsyncWebhooks.test)
    log = _blocking(AsyncWebhooks.log)
    delivery = _blocking(AsyncWebhooks.delivery)
    redeliver = _blocking(AsyncWebhooks.redeliver)
