"""The client's part: keeps runs in flight, notes what it was told, and reads again what it was told before."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from tests.storm import tasks
from tests.storm.plan import HANG_S, LARGE_BYTES, Kind, Order
from tests.storm.tasks import LINKS, Mark
from tidemill import AsyncClient, RunCancelledError, RunFailedError
from tidemill.client.remote import AsyncRun
from tidemill.client.streams import Numbered
from tidemill.core.errors import UnavailableError
from tidemill.core.events import Verdict
from tidemill.wire.quarantine import QuarantineRequest

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """What a client was told of the end of a run: a status, with a failure's code, the value, and who made it."""

    status: str
    value: Any = None
    by: str = ""


@dataclass
class Notes:
    """What was seen from outside."""

    accepted: dict[str, Order] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    ends: list[float] = field(default_factory=list)  # on the loop's clock
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def expected(order: Order) -> Told:
    """Apart from who made it."""
    match order.kind:
        case Kind.BROKEN:
            return Told("failed: permanent")
        case Kind.HANG | Kind.TOIL:
            return Told("cancelled")
        case Kind.MAPPED:
            return Told("succeeded", sum(range(order.x, order.x + order.size)))
        case Kind.CHAINED:
            return Told("succeeded", order.x + LINKS - 1)
        case Kind.TELL:
            return Told("succeeded", list(range(order.size)))
        case Kind.HEAVY:
            return Told("succeeded", large(order)[::-1])
        case Kind.CRUNCH:
            return Told("succeeded", sum(range(order.x)))
        case _:
            return Told("succeeded", order.x)


def large(order: Order) -> bytes:
    return Random(order.x).randbytes(LARGE_BYTES)


class Load:
    """Args:
    seconds: the orders are spread over that time; when the system is slower, it takes longer.
    """

    def __init__(self, client: AsyncClient, orders: Iterator[Order], total: int, seconds: float) -> None:
        self._client, self._orders, self._total, self._seconds = client, orders, total, seconds
        self._random = Random("load")
        self._released = 0
        self.submitted = asyncio.Event()  # all is under way, or over
        self.notes = Notes()

    async def run(self, in_flight: int) -> None:
        self._began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._keep())

    @property
    def open_runs(self) -> list[str]:
        return [run for run in self.notes.accepted if run not in self.notes.told]

    async def explain(self, most: int = 3) -> list[str]:
        """Why the first of the open runs wait."""
        found = []
        for run in self.open_runs[:most]:
            try:
                async with asyncio.timeout(10):
                    view, why = await self._client.run(run).view(), await self._client.why(run)
                found.append(f"{view.status}, {view.live} live: {why}")
            except (TimeoutError, UnavailableError) as error:
                found.append(f"{run}: {error!r}")
        return found

    async def _keep(self) -> None:
        for order in self._orders:
            due = self._began + self._seconds * self._released / self._total
            self._released += order.tasks
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self._one(order)
        self.submitted.set()

    async def _one(self, order: Order) -> None:
        try:
            run = await self._patiently("submit", lambda: self._submit(order))
            self.notes.accepted[run.id] = order
            async with asyncio.TaskGroup() as group:
                if order.kind is Kind.TELL:
                    group.create_task(self._read(run, order))
                if order.kind in (Kind.HANG, Kind.TOIL):
                    await asyncio.sleep(self._random.random())
                    await self._patiently("cancel", lambda: run.cancel("enough"))
                told = await self._patiently("wait", lambda: self._told(run, order))
            self._note(run.id, order, told)
        except Exception as error:  # noqa: BLE001  # whatever a client raises here is a finding
            self.notes.wrong.append(f"the client of a {order.kind.value} raised {error!r}")

    def _note(self, run: str, order: Order, told: Told) -> None:
        self.notes.told[run] = told
        self.notes.ends.append(asyncio.get_running_loop().time())
        self.notes.counts["tasks"] += order.tasks

    async def _submit(self, order: Order) -> AsyncRun[Any]:
        target, arguments = _CALLS[order.kind]
        found: AsyncRun[Any] = await self._client.submit(target, *arguments(order))
        return found

    async def _told(self, run: AsyncRun[Any], order: Order) -> Told:
        again = self._client.run(run.id, _CALLS[order.kind][0])
        try:
            value = await again.result()
        except RunFailedError as error:
            return Told(f"failed: {error.code.value}")
        except RunCancelledError:
            return Told("cancelled")
        return _read_value(value)

    async def _read(self, run: AsyncRun[Any], order: Order) -> None:
        """Items come in order and without gaps, of one attempt after the other."""
        epoch, index = 0, 0

        async def read() -> None:
            nonlocal epoch, index
            async for each in self._client.run(run.id, tasks.tell).numbered(index, epoch=epoch):
                if not isinstance(each, Numbered):
                    epoch, index = each.epoch, 0
                elif (each.epoch, each.index) != (epoch or each.epoch, index) or each.item.value != index:
                    self.notes.wrong.append(f"{run.id}: item {index} of epoch {epoch} is {each}")
                    return
                else:
                    epoch, index = each.epoch, index + 1
                    self.notes.counts["items read"] += 1

        await self._patiently("read", read)
        if index != order.size and self.notes.told.get(run.id, Told("")).status == "succeeded":
            self.notes.wrong.append(f"{run.id}: a reader saw {index} of {order.size} items")

    async def _patiently(self, what: str, action: Callable[[], Awaitable[T]]) -> T:
        """What was refused for now is tried again; a submission as a new one."""
        while True:
            try:
                return await action()
            except UnavailableError:
                self.notes.counts[f"{what} tried again"] += 1
                await asyncio.sleep(0.2)

    async def tend(self) -> None:
        """For ever: what three workers died under is let go on, as a person would who knows of the storm."""
        while True:
            await asyncio.sleep(1)
            await self._patiently("tend", self._release)

    async def _release(self) -> None:
        async for bite in self._client.judge(QuarantineRequest(Verdict.RELEASE, by="storm")):
            self.notes.counts["steps released from quarantine"] += len(bite.steps)

    async def sample(self) -> None:
        """For ever: what a client was told once is what it is told again."""
        random = Random("sample")
        while True:
            await asyncio.sleep(0.1)
            if not self.notes.told:
                continue
            run, told = random.choice(list(self.notes.told.items())[-2000:])
            order = self.notes.accepted[run]
            again = await self._again(run, order)
            self.notes.counts["results read again"] += 1
            if again != told:
                self.notes.wrong.append(f"{run}: told {told}, and later {again}")

    async def _again(self, run: str, order: Order) -> Told:
        return await self._patiently("sample", lambda: self._told(self._client.run(run), order))


# What is called for an order, and with what.
_CALLS: Mapping[Kind, tuple[Any, Callable[[Order], tuple[Any, ...]]]] = {
    Kind.GRAIN: (tasks.grain, lambda order: (order.x, order.ms)),
    Kind.SIFT: (tasks.sift, lambda order: (order.x, order.ms)),
    Kind.MAPPED: (tasks.mapped, lambda order: (list(range(order.x, order.x + order.size)), order.ms)),
    Kind.CHAINED: (tasks.chained, lambda order: (order.x, order.ms)),
    Kind.STUBBORN: (tasks.stubborn, lambda order: (order.x, order.size)),
    Kind.BROKEN: (tasks.broken, lambda order: (order.x,)),
    Kind.TELL: (tasks.tell, lambda order: (order.size, order.ms // 10)),
    Kind.HEAVY: (tasks.heavy, lambda order: (large(order),)),
    Kind.HANG: (tasks.hang, lambda _: (HANG_S,)),
    Kind.TOIL: (tasks.toil, lambda _: (HANG_S,)),
    Kind.CRUNCH: (tasks.crunch, lambda order: (order.x,)),
}


def _read_value(value: Any) -> Told:
    match value:
        case Mark(value=found, by=by):
            return Told("succeeded", found, by)
        case bytes():
            return Told("succeeded", value[:LARGE_BYTES], value[LARGE_BYTES:].decode())
        case list():
            makers = {mark.by for mark in value}
            return Told("succeeded", [mark.value for mark in value], ",".join(sorted(makers)))
    raise TypeError(f"{type(value)} is no result of a storm")
