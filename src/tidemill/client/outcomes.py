"""How runs ended: one stream for all that a client waits for, opened when it first submits.

A stream has a token; runs submitted with it are told of on it. When it breaks, the next one has another token, and
the server is asked for all that is still awaited. Where there are several servers, or a balancer before them, a request
may reach another one than the stream: then the next stream is opened, until both lead to one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from weakref import WeakValueDictionary

import msgspec

from tidemill.client.calls import DELAYS_S, PREFIX, Calls
from tidemill.client.errors import NotFoundError
from tidemill.client.transport import checked
from tidemill.core.errors import InternalError, UnavailableError
from tidemill.wire.api import BATCH_LIMIT, FRAMES, Finished, WatchRuns

SILENCE_S = 15.0  # the server says something every 5 s
PATIENCE_S = 300.0

_decode = msgspec.msgpack.Decoder(list[Finished]).decode


class Awaited:
    """A run whose outcome is wanted."""

    def __init__(self, run: str) -> None:
        self.id = run
        self._outcome: Finished | Exception | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_open(self) -> bool:
        return self._outcome is None

    def settle(self, outcome: Finished | Exception) -> None:
        self._outcome = outcome
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def ended(self) -> Finished:
        """Raises what kept the client from hearing of the end."""
        if self._outcome is None:
            self._waiting.append(future := asyncio.get_running_loop().create_future())
            await future
        match self._outcome:
            case Finished() as finished:
                return finished
            case error:
                raise error or InternalError("woken without an outcome")


class Outcomes:
    def __init__(self, calls: Calls, new_token: Callable[[], str]) -> None:
        self._calls, self._new_token = calls, new_token
        self._awaited: WeakValueDictionary[str, Awaited] = WeakValueDictionary()
        self._reading: asyncio.Task[None] | None = None
        self._token: asyncio.Future[str] | None = None  # of the stream that is open, or being opened
        self._is_elsewhere = False  # it leads to another server than requests do
        self._waiting: asyncio.Timeout | None = None  # for its next frame

    async def token(self) -> str:
        """The token of the open stream; opens one if there is none. Raises UnavailableError."""
        if self._token is None:
            self._token = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._keep_reading(), name="tidemill outcomes")
        return await asyncio.shield(self._token)

    def is_open(self, token: str) -> bool:
        now = self._token
        return now is not None and now.done() and now.exception() is None and now.result() == token

    def shared(self, run: str) -> Awaited:
        """The one for a run, so that all who wait for it hear of its end."""
        known = self._awaited.get(run)
        if known is None or not known.is_open:
            known = self._awaited[run] = Awaited(run)
        return known

    def expect(self, awaited: Awaited) -> None:
        """Before its run is submitted with the token."""
        self._awaited[awaited.id] = awaited

    async def ask(self, runs: Sequence[str]) -> None:
        """Watch runs that exist already and are expected."""
        token = await self.token()
        for start in range(0, len(runs), BATCH_LIMIT):
            some = WatchRuns(tuple(runs[start : start + BATCH_LIMIT]))
            try:
                await self._calls.post(f"/watch/{token}", some, type(None))
            except NotFoundError:
                self._leave(token)
                return  # the next one asks for all that is expected

    def _leave(self, token: str) -> None:
        """The stream of this token has broken meanwhile, or leads to another server."""
        if self.is_open(token):
            self._is_elsewhere = True
            if self._waiting is not None and not self._waiting.expired():
                self._waiting.reschedule(0.0)

    async def _keep_reading(self) -> None:
        tries, away_s = 0, 0.0
        while True:
            error: Exception | None = None
            try:
                async for outcomes in self._stream(self._new_token()):
                    tries, away_s = 0, 0.0
                    for each in outcomes:
                        self._settle(each)
            except UnavailableError as failed:
                error = failed
            except Exception as failed:  # noqa: BLE001  # those who wait are told; it is for them to handle
                error, away_s = failed, PATIENCE_S
            unfinished = [each for each in self._awaited.values() if each.is_open]
            is_hopeless = away_s >= PATIENCE_S or not self._calls.was_there
            if error is not None and (is_hopeless or not unfinished):
                self._give_up(error, unfinished)
                return
            delay = DELAYS_S[min(tries, len(DELAYS_S) - 1)]
            await asyncio.sleep(delay)
            tries, away_s = tries + 1, away_s + delay

    async def _stream(self, token: str) -> AsyncIterator[list[Finished]]:
        path = f"{PREFIX}/watch/{token}"
        transport = self._calls.transport
        async with transport.open("GET", path, None, {"accept": FRAMES}) as reply:
            await checked(reply, transport.url)
            frames = frames_of(reply.chunks())
            is_open = self._is_elsewhere = False
            try:
                while (frame := await self._next(frames)) is not None:
                    if not is_open:
                        is_open = self._calls.was_there = True
                        await self._opened(token)
                    yield _decode(frame)
            finally:
                if self._token is not None and self._token.done():
                    self._token = None  # who waits for one still gets the next

    async def _next(self, frames: AsyncIterator[bytes]) -> bytes | None:
        """The next frame, None at the end. Raises UnavailableError when the server is silent, or another one."""
        try:
            async with asyncio.timeout(0.0 if self._is_elsewhere else SILENCE_S) as self._waiting:
                return await anext(frames, None)
        except TimeoutError:
            raise UnavailableError(f"the server said nothing for {SILENCE_S:.0f} s, or is another one") from None
        finally:
            self._waiting = None

    async def _opened(self, token: str) -> None:
        if self._token is None:
            self._token = asyncio.get_running_loop().create_future()
        if not self._token.done():
            self._token.set_result(token)
        unfinished = [run for run, each in self._awaited.items() if each.is_open]
        if unfinished:
            await self.ask(unfinished)

    def _settle(self, outcome: Finished) -> None:
        awaited = self._awaited.pop(outcome.id, None)
        if awaited is not None:
            awaited.settle(outcome)

    def _give_up(self, error: Exception, unfinished: Sequence[Awaited]) -> None:
        token, self._token = self._token, None
        if token is not None and not token.done():
            token.set_exception(error)
            token.exception()  # somebody may have stopped waiting
        for each in unfinished:
            each.settle(error)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None


async def frames_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut a stream into its frames: four bytes of length, then that many."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start >= 4:
            end = start + 4 + int.from_bytes(buffer[start : start + 4], "big")
            if end > len(buffer):
                break
            yield bytes(buffer[start + 4 : end])
            start = end
        del buffer[:start]
