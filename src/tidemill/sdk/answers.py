"""What the world says to workflows that are called plainly: signals, events, and the answers of people."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from tidemill.sdk.approvals import Approval
from tidemill.sdk.errors import DefinitionError

_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


class UnansweredError(DefinitionError):
    """A wait was called outside a workflow, where nobody sends signals or answers questions."""


class WaitTimedOutError(TimeoutError):
    """A wait that was called plainly was told to be in vain, and has no ``on_timeout``."""


class InVain:
    """Stands for an answer that does not come."""


class World:
    """Answers, used up in their order."""

    def __init__(self, signals: Mapping[str, Any], events: Mapping[str, Any], choices: Mapping[str, Any]) -> None:
        self._left = {
            kind: {name: deque(_listed(each)) for name, each in given.items()}
            for kind, given in (("signal", signals), ("event", events), ("approval", choices))
        }

    def next(self, kind: str, name: str) -> Any:
        """The next answer; `InVain` when that is it. Raises UnansweredError."""
        left = self._left[kind].get(name)
        if not left:
            raise UnansweredError(f"no answer is left for the {kind} {name!r}: give one more to answered(…)")
        return left.popleft()


_world: ContextVar[World | None] = ContextVar("world", default=None)


def _listed(each: Any) -> Sequence[Any]:
    return each if isinstance(each, list) else [each]


@contextmanager
def answering(world: World) -> Iterator[None]:
    token = _world.set(world)
    try:
        yield
    finally:
        _world.reset(token)


def answer(kind: str, name: str) -> Any:
    """What came for a wait that is called plainly. Raises UnansweredError."""
    world = _world.get()
    if world is None:
        raise UnansweredError(
            f"there is nobody here to give the {kind} {name!r}: a wait is for workflows; "
            "in a test say `with answered(…):` (tidemill.testing.answers) around the call"
        )
    return world.next(kind, name)


def approval_of(given: Any, choices: Sequence[str]) -> Approval[Any]:
    """An answer as the wait gives it; a text alone is a choice. Raises UnansweredError for one that there is not."""
    found = given if isinstance(given, Approval) else Approval(given, "", "", _INSTANT)
    if found.choice not in choices:
        raise UnansweredError(f"{found.choice!r} is none of the choices {', '.join(choices)}")
    return found
