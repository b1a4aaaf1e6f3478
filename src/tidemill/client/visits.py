"""States of a machine, looked at from outside: their visits, and what they gave."""

from typing import Any, TypeVar, overload

import msgspec

from tidemill.client.connection import Connection
from tidemill.client.outcomes import Awaited
from tidemill.core.ids import parse_run_id
from tidemill.core.terms import VALUE
from tidemill.core.values import Encoding
from tidemill.sdk.places import Place, State
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.steps import Step, TaskStep
from tidemill.wire.visits import VisitPage, VisitView

T = TypeVar("T")

_unpack = msgspec.msgpack.Decoder().decode


class OfStates:
    """What a run has when it is one of a machine."""

    _core: Connection

    _awaited: Awaited

    async def visits(self, state: str = "", *, machine: str = "") -> list[VisitView]:
        """The visits of all states in the order in which they were made; or those of one state.

        Args:
            machine: the path of a step, for the machine that runs there.
        """
        found: list[VisitView] = []
        after = 0
        while True:
            query = {"state": state, "machine": machine, "after": after, "limit": 1000}
            page = await self._core.calls.get(f"/runs/{self._awaited.id}/visits", VisitPage, query)
            found += page.visits
            after = page.next
            if not after:
                return found

    @overload
    async def state(self, state: State[T] | Step[T], /, *, visit: int = ...) -> T: ...
    @overload
    async def state(self, state: Place | str, /, *, visit: int = ...) -> Any: ...
    async def state(self, state: Place | Step[Any] | str, /, *, visit: int = 0) -> Any:
        """What a state gave in its latest visit that ended well; of a DAG's step, what that gave.

        Args:
            state: with its declaration the result is typed; a name gives plain data, and a path such as
                ``draft/check`` one of a machine inside.
            visit: the number of another one.
        Raises:
            NoValueError: there was no such visit.
        """
        name, port, plan = _asked(state)
        path = f"{name}#{visit}" if visit else name
        data = await self._core.blobs.read_list(parse_run_id(self._awaited.id), path, port)
        return _unpack(data) if plan is None else plan.decode_bytes(data, Encoding.MSGPACK)


def _asked(state: Place | Step[Any] | str) -> tuple[str, str, TypePlan | None]:
    """Name, port and type of what is wanted."""
    match state:
        case str():
            return state, VALUE, None
        case Place():
            return state.name, VALUE, state.body.signature.result
        case TaskStep(dag=Place() as place):
            return place.name, state.name, place.parts.plans[state.name]
        case _:
            raise TypeError(f"{state!r} is no state of a machine, and no step of one's DAG")
