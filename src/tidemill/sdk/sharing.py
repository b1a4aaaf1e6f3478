"""Stores and channels that tasks are given: lasting data of a run, or of all runs of a workflow.

```python
@media.task
def count(page: str, *, seen: Annotated[Store[int], Shared("seen", Reach.WORKFLOW)] = injected) -> int:
    return seen.increment(page)
```
Each operation returns when the server has it durably; reads see what is committed. Sync code calls ``get``, async code
awaits ``aget``, and so on.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from msgspec import Struct

from tidemill.core.bodies import Encoded, SharedCall
from tidemill.core.sharing import (
    PAGE,
    WAIT_S,
    Add,
    Delete,
    Get,
    NotShared,
    Op,
    Page,
    Post,
    Put,
    Reach,
    Read,
    fault_of,
)
from tidemill.core.sharing import (
    Shared as Answer,
)
from tidemill.core.values import Blob, Given, Inline
from tidemill.sdk.context import Context
from tidemill.sdk.depends import Depends
from tidemill.sdk.errors import CancelledRunError, DefinitionError, DoesNotFitError, SharingError
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.ports import AttemptPort

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Entry(Struct, Generic[T_co], frozen=True):
    """A value of a store. ``version`` rises with each write of the store."""

    key: str
    value: T_co
    version: int


class Item(Struct, Generic[T_co], frozen=True):
    """An item of a channel, by number from 1."""

    number: int
    value: T_co


class Link:
    """The way from a body to one store or channel: what is asked is checked, encoded and decoded here."""

    def __init__(self, plan: TypePlan, port: AttemptPort, reach: Reach, name: str) -> None:
        self._plan, self._port, self._reach, self._name = plan, port, reach, name

    def call(self, op: Op) -> Answer:
        return self._answered(self._port.share(self._call(op)))

    async def acall(self, op: Op) -> Answer:
        return self._answered(await self._port.ashare(self._call(op)))

    def write(self, op: Op, value: Any) -> Answer:
        return self._answered(self._port.share(self._call(op, self._encoded(value))))

    async def awrite(self, op: Op, value: Any) -> Answer:
        return self._answered(await self._port.ashare(self._call(op, self._encoded(value))))

    def entries(self, answer: Answer) -> list[Entry[Any]]:
        return [Entry(key, self._decoded(key, value), version) for key, value, version in answer.entries]

    def items(self, answer: Answer) -> list[Item[Any]]:
        return [Item(number, self._decoded(f"item {number}", value)) for _, value, number in answer.entries]

    def _call(self, op: Op, value: Encoded | None = None) -> SharedCall:
        if fault := fault_of(self._name, op):
            raise SharingError("invalid_input", fault)
        return SharedCall(self._reach, self._name, op, value)

    def _encoded(self, value: Any) -> Encoded:
        try:
            return self._plan.encode(value)
        except DoesNotFitError as error:
            raise SharingError("invalid_input", f"{self._name} takes {self._plan.name}: {error}") from None

    def _decoded(self, what: str, value: Inline | Blob) -> Any:
        try:
            return self._plan.decode(Given(value))
        except DoesNotFitError as error:
            told = f"{what!r} in {self._name} is no {self._plan.name}, and was written as something else: {error}"
            raise SharingError("invalid_input", told) from None

    def _answered(self, answer: Answer | NotShared) -> Answer:
        match answer:
            case NotShared(type="overtaken", detail=detail):
                raise CancelledRunError(detail)
            case NotShared(type=kind, detail=detail):
                raise SharingError(kind, f"{self._name}: {detail}")
            case _:
                return answer


class _Given:
    """What all of them have: where they lead."""

    kind: ClassVar[str] = ""

    def __init__(self, link: Link) -> None:
        self._link = link


class ReadStore(_Given, Generic[T_co]):
    """A store that is only read."""

    kind = "store"

    def get(self, key: str) -> T_co | None:
        """The value, or None where there is none. Raises SharingError."""
        entry = self.entry(key)
        return None if entry is None else entry.value

    async def aget(self, key: str) -> T_co | None:
        entry = await self.aentry(key)
        return None if entry is None else entry.value

    def entry(self, key: str) -> Entry[T_co] | None:
        """The value with its version."""
        found = self._link.entries(self._link.call(Get(key)))
        return found[0] if found else None

    async def aentry(self, key: str) -> Entry[T_co] | None:
        found = self._link.entries(await self._link.acall(Get(key)))
        return found[0] if found else None

    def page(self, prefix: str = "", *, after: str = "", limit: int = PAGE) -> list[Entry[T_co]]:
        """Entries whose key begins with ``prefix``, by key, after one; at most 100."""
        return self._link.entries(self._link.call(Page(prefix, after, limit)))

    async def apage(self, prefix: str = "", *, after: str = "", limit: int = PAGE) -> list[Entry[T_co]]:
        return self._link.entries(await self._link.acall(Page(prefix, after, limit)))

    def entries(self, prefix: str = "") -> Iterator[Entry[T_co]]:
        """All of them, page by page: each as it is when its page is read."""
        after = ""
        while page := self.page(prefix, after=after):
            yield from page
            after = page[-1].key

    async def aentries(self, prefix: str = "") -> AsyncIterator[Entry[T_co]]:
        after = ""
        while page := await self.apage(prefix, after=after):
            for entry in page:
                yield entry
            after = page[-1].key


class WriteStore(_Given, Generic[T_contra]):
    """A store that is only written to."""

    kind = "store"

    def set(self, key: str, value: T_contra) -> int:
        """Write; gives the entry's version. Raises SharingError: it is not of its type, or the store is full."""
        return self._link.write(Put(key), value).written.version

    async def aset(self, key: str, value: T_contra) -> int:
        return (await self._link.awrite(Put(key), value)).written.version

    def compare_and_set(self, key: str, value: T_contra, version: int) -> bool:
        """Write if the entry still has this version; 0: if there is none. Gives whether it did."""
        return self._link.write(Put(key, version), value).written.is_done

    async def acompare_and_set(self, key: str, value: T_contra, version: int) -> bool:
        return (await self._link.awrite(Put(key, version), value)).written.is_done

    def delete(self, key: str) -> bool:
        """Gives whether there was one."""
        return self._link.call(Delete(key)).written.is_done

    async def adelete(self, key: str) -> bool:
        return (await self._link.acall(Delete(key))).written.is_done


class Store(ReadStore[T], WriteStore[T]):
    """Lasting values by key: ``seen: Annotated[Store[int], Shared("seen")] = injected``."""

    def increment(self: "Store[int]", key: str, by: int = 1) -> int:
        """Add to a whole number, which is 0 before; gives the sum."""
        return self._link.call(Add(key, by)).written.sum

    async def aincrement(self: "Store[int]", key: str, by: int = 1) -> int:
        return (await self._link.acall(Add(key, by))).written.sum


class Receiver(_Given, Generic[T_co]):
    """A channel that is only read, from any item, by as many as like."""

    kind = "channel"

    def page(self, after: int = 0, limit: int = PAGE) -> list[Item[T_co]]:
        """Items after this number, in order; at most 100. It does not wait."""
        return self._link.items(self._link.call(Read(after, limit)))

    async def apage(self, after: int = 0, limit: int = PAGE) -> list[Item[T_co]]:
        return self._link.items(await self._link.acall(Read(after, limit)))

    def receive(self, after: int = 0, *, timeout: float) -> Item[T_co] | None:
        """The item after this number; waits for it, and gives None when there is none within ``timeout`` seconds."""
        left = _seconds(timeout)
        while True:
            answer = self._link.call(Read(after, 1, min(left, WAIT_S)))
            left -= WAIT_S
            if answer.entries or answer.is_over or left <= 0:
                found = self._link.items(answer)
                return found[0] if found else None

    async def areceive(self, after: int = 0, *, timeout: float) -> Item[T_co] | None:  # as `receive`
        left = _seconds(timeout)
        while True:
            answer = await self._link.acall(Read(after, 1, min(left, WAIT_S)))
            left -= WAIT_S
            if answer.entries or answer.is_over or left <= 0:
                found = self._link.items(answer)
                return found[0] if found else None


class Sender(_Given, Generic[T_contra]):
    """A channel that is only added to."""

    kind = "channel"

    def send(self, value: T_contra) -> int:
        """Add an item; gives its number. Raises SharingError."""
        return self._link.write(Post(), value).written.version

    async def asend(self, value: T_contra) -> int:
        return (await self._link.awrite(Post(), value)).written.version


class Channel(Sender[T], Receiver[T]):
    """Lasting items in order: ``words: Annotated[Channel[str], Shared("words")] = injected``."""


_FORMS = (ReadStore, WriteStore, Store, Receiver, Sender, Channel)


class Shared(Depends):
    """The mark of a parameter that is a store or a channel.

    Args:
        name: letters, digits, ``_``, ``.`` and ``-``, up to 100. Stores and channels have names of their own.
        reach: whether it is the run's, or that of all runs of its workflow.
    """

    def __init__(self, name: str, reach: Reach = Reach.RUN) -> None:
        super().__init__(_unopened)
        self.name, self.reach = name, reach

    def of(self, kind: Any) -> Depends:
        """The factory for a parameter of this type. Raises DefinitionError."""
        form, inner = get_origin(kind), get_args(kind)
        if form not in _FORMS:
            names = ", ".join(f"{each.__name__}[…]" for each in _FORMS)
            raise DefinitionError(f"what is shared is one of {names}, not {kind!r}")
        if fault := fault_of(self.name, Page()):
            raise DefinitionError(fault)
        return Depends(Opening(form, inner[0], self.reach, self.name))

    def __repr__(self) -> str:
        return f"Shared({self.name!r})"


class Opening:
    """The factory of one parameter."""

    def __init__(self, form: type[_Given], kind: Any, reach: Reach, name: str) -> None:
        self._form, self._plan, self._reach, self._name = form, plan_of(kind), reach, name
        self.__name__ = f"{form.__name__} {name}"

    def __call__(self, context: Context) -> Any:
        return self._form(Link(self._plan, context.port, self._reach, self._name))


def _unopened(_: Context) -> None:
    raise DefinitionError("a Shared stands in Annotated[Store[…], Shared(…)]")


def _seconds(timeout: float) -> float:
    if not 0 <= timeout <= 7 * 86400:
        raise ValueError(f"timeout is a number of seconds, up to a week, not {timeout!r}")
    return float(timeout)
