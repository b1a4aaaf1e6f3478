"""`client.webhooks`, `client.store`, `client.hooks` and `client.endpoints` for those who wait."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from tidemill.client.endpoints import AsyncEndpoints
from tidemill.client.hooks import AsyncHooks
from tidemill.client.sharing import AsyncStore
from tidemill.client.webhooks import AsyncWebhooks

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")


class Waiting(Protocol):
    """A thread that runs what it is given."""

    def wait(self, work: Coroutine[Any, Any, T], /) -> T: ...


class _Waits(Generic[A]):
    def __init__(self, other: A, thread: Waiting) -> None:
        self._other, self._thread = other, thread


def _blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_Waits[A], P], T]:
    def blocking(self: _Waits[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.wait(method(self._other, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class Webhooks(_Waits[AsyncWebhooks]):
    """Webhooks of a server; see `AsyncWebhooks`."""

    add = _blocking(AsyncWebhooks.add)
    list = _blocking(AsyncWebhooks.list)
    get = _blocking(AsyncWebhooks.get)
    remove = _blocking(AsyncWebhooks.remove)
    test = _blocking(AsyncWebhooks.test)
    log = _blocking(AsyncWebhooks.log)
    delivery = _blocking(AsyncWebhooks.delivery)
    redeliver = _blocking(AsyncWebhooks.redeliver)


class Hooks(_Waits[AsyncHooks]):
    """Addresses for webhooks of somebody else's; see `AsyncHooks`."""

    add = _blocking(AsyncHooks.add)
    list = _blocking(AsyncHooks.list)
    get = _blocking(AsyncHooks.get)
    remove = _blocking(AsyncHooks.remove)


class Endpoints(_Waits[AsyncEndpoints]):
    """What a server answers at ``/w/…``; see `AsyncEndpoints`."""

    serve = _blocking(AsyncEndpoints.serve)
    list = _blocking(AsyncEndpoints.list)
    get = _blocking(AsyncEndpoints.get)
    remove = _blocking(AsyncEndpoints.remove)


class RemoteStore(_Waits[AsyncStore]):
    """A store of a run or a workflow; see `AsyncStore`."""

    get = _blocking(AsyncStore.get)
    entry = _blocking(AsyncStore.entry)
    set = _blocking(AsyncStore.set)
    delete = _blocking(AsyncStore.delete)
    page = _blocking(AsyncStore.page)
    entries = _blocking(AsyncStore.entries)
    items = _blocking(AsyncStore.items)
