"""Ways in over HTTP that an operator registered: endpoints with paths of their own, and hooks for others' webhooks."""

from enum import Enum
from typing import Any

from msgspec import Struct

from tidemill.core.ids import Instant
from tidemill.core.signatures import Scheme
from tidemill.core.webhooks import Webhook


class TargetKind(Enum):
    TASK = "task"
    WORKFLOW = "workflow"


class Pinned(Struct, frozen=True, gc=False):
    """One version of an endpoint. ``digest`` is that of a task's definition, or of a graph, as text."""

    name: str
    digest: str
    added_at: Instant


class Endpoint(Struct, frozen=True, gc=False, tag="endpoint"):
    """A task or workflow at `/w/NAME`, each version at `/w/NAME/VERSION`. ``default`` "": the newest there is."""

    name: str
    kind: TargetKind
    target: str
    created_at: Instant
    versions: tuple[Pinned, ...] = ()
    default: str = ""

    def version(self, name: str) -> Pinned | None:
        return next((each for each in self.versions if each.name == name), None)


class StartRun(Struct, frozen=True, gc=False, tag="run"):
    """What a hook does: starts a run. ``inputs``: parameter to a place in the body, `$.data.id`; `$` is all of it."""

    kind: TargetKind
    target: str
    inputs: dict[str, str] = {}
    tags: dict[str, str] = {}


class SendSignal(Struct, frozen=True, gc=False, tag="signal"):
    """It tells whoever waits for the signal with a key. ``key`` and ``payload`` are places in the body."""

    signal: str
    key: str
    payload: str = "$"


HookTarget = StartRun | SendSignal


class Hook(Struct, frozen=True, gc=False, tag="hook"):
    """An address for webhooks of somebody else's, `/hooks/NAME`."""

    name: str
    scheme: Scheme
    secrets: tuple[str, ...]
    target: HookTarget
    created_at: Instant
    header: str = ""  # that holds the token (scheme token)
    id_header: str = ""  # that tells repetitions, where the scheme has none
    id_field: str = ""  # the same, as a place in the body
    tolerance_s: int = 300


Registered = Webhook | Endpoint | Hook
KINDS: dict[type, str] = {Webhook: "webhook", Endpoint: "endpoint", Hook: "hook"}


class NoSuchPlaceError(ValueError):
    """The body has nothing there."""


def place_of(text: str) -> tuple[str | int, ...]:
    """`$.data.items[0].id` as keys. Raises ValueError."""
    if text != "$" and not text.startswith(("$.", "$[")):
        raise ValueError(f"{text!r} is no place in a body: write $ for all of it, $.data.id or $.items[0] for a part")
    keys: list[str | int] = []
    for part in text[1:].replace("[", ".[").split(".")[1:] if text != "$" else ():
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdecimal() and len(part) < 12:
            keys.append(int(part[1:-1]))
        elif part and "[" not in part and "]" not in part:
            keys.append(part)
        else:
            raise ValueError(f"{text!r} is no place in a body: {part!r} is neither a key nor an index")
    return tuple(keys)


def found_at(body: Any, place: str) -> Any:
    """What is there. Raises NoSuchPlaceError."""
    found = body
    for key in place_of(place):
        match found, key:
            case list(), int() if key < len(found):
                found = found[key]
            case dict(), str() if key in found:
                found = found[key]
            case _:
                raise NoSuchPlaceError(f"the body has nothing at {place}")
    return found
