"""Runs that a task starts and waits for, as its code sees them."""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from tidemill.core.bodies import AttemptFacts, ChildCall, ChildCancelled, ChildEnd, ChildFailed, ChildSucceeded
from tidemill.sdk.definition import Definition
from tidemill.sdk.errors import RunCancelledError, RunFailedError

R_co = TypeVar("R_co", covariant=True)


class Waiter(Protocol):
    """Where a body runs: how it waits there. Each gives the end of the child with this key."""

    def wait(self, key: bytes) -> ChildEnd:
        """Block the thread; raises CancelledRunError when the attempt is told to stop meanwhile."""
        ...

    def wait_async(self, key: bytes) -> Awaitable[ChildEnd]: ...


class RemoteChild(Generic[R_co]):
    """A ChildRun on the server."""

    def __init__(self, definition: Definition[..., R_co], key: bytes, waiter: Waiter) -> None:
        self._definition, self._key, self._waiter = definition, key, waiter
        self._end: ChildEnd | None = None

    def result(self) -> R_co:
        self._end = self._end or self._waiter.wait(self._key)
        return self._given(self._end)

    def __await__(self) -> Generator[Any, None, R_co]:
        return self._awaited().__await__()

    async def _awaited(self) -> R_co:
        self._end = self._end or await self._waiter.wait_async(self._key)
        return self._given(self._end)

    def _given(self, end: ChildEnd) -> R_co:
        match end:
            case ChildSucceeded(outputs=outputs):
                return self._definition.decode_result(outputs)
            case ChildFailed(run=run, failure=failure):
                raise RunFailedError(run, failure)
            case ChildCancelled(run=run, reason=reason):
                raise RunCancelledError(run, reason)

    def __repr__(self) -> str:
        return f"<child run of {self._definition.name}>"


class Children:
    """The children of one attempt, so far."""

    def __init__(self, waiter: Waiter, start: Callable[[ChildCall], None]) -> None:
        self._waiter, self._start = waiter, start
        self._seen = Counter[bytes]()

    def start(
        self, definition: Definition[..., R_co], facts: AttemptFacts, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> RemoteChild[R_co]:
        """Raises TypeError and InvalidInputError, as a submission does."""
        call = self._call(definition, facts, args, kwargs)
        self._start(call)
        return RemoteChild(definition, call.key, self._waiter)

    def _call(
        self, definition: Definition[..., Any], facts: AttemptFacts, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> ChildCall:
        inputs = definition.bind(args, kwargs)
        task, graph, document = definition.submitted_as
        told = hashlib.sha256(f"{facts.path}\0{task}\0{graph}\0".encode())
        for name, each in sorted(inputs.items()):
            told.update(f"{name}\0{len(each.data)}\0".encode() + each.data)
        self._seen[told.digest()] += 1
        key = told.digest() + self._seen[told.digest()].to_bytes(4, "big")
        return ChildCall(key, task, graph, document, inputs, definition.node_options)
