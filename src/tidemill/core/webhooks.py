"""Webhooks: who is told that a run ended, what is still to be sent, and when it is tried again.

```text
Due -> Delivered          an answer of 2xx
    -> Due (later)        any other answer, or none
    -> GivenUp            410, an address that may not be asked, or too many tries
```
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.ids import Instant, RunId, uuid7
from tidemill.core.run import Ended, Halted, Run

EVENTS = ("run.succeeded", "run.failed", "run.cancelled", "run.halted")
TEST = "webhook.test"  # for the one who asks for it
KEPT = 1000  # ended deliveries of one webhook: its log
TRIED_KEPT = 20  # of one delivery
GONE = 410  # the receiver wants no more of it


class Webhook(Struct, frozen=True, gc=False, tag="webhook"):
    """What an operator registered. Empty filters let everything pass."""

    name: str
    url: str
    secrets: tuple[str, ...]  # the newest first; each signs, so that they can be rotated
    created_at: Instant
    events: tuple[str, ...] = EVENTS
    workflows: tuple[str, ...] = ()  # names of workflows and tasks; `*` stands for any text
    tags: dict[str, str] = {}  # all of them

    def wants(self, run: Run, event: str) -> bool:
        return (
            event in self.events
            and (not self.workflows or any(fnmatchcase(run.workflow, each) for each in self.workflows))
            and all(run.tags.get(name) == value for name, value in self.tags.items())
        )


class Tried(Struct, frozen=True, gc=False, omit_defaults=True):
    """One attempt to deliver. ``status`` 0: there was no answer, and ``error`` says why."""

    at: Instant
    took_us: int
    status: int = 0
    error: str = ""
    answer: str = ""  # its first characters


class Due(Struct, frozen=True, gc=False, tag="due"):
    due_at: Instant


class Delivered(Struct, frozen=True, gc=False, tag="delivered"):
    ended_at: Instant


class GivenUp(Struct, frozen=True, gc=False, tag="given_up"):
    ended_at: Instant
    reason: str


DeliveryState = Due | Delivered | GivenUp


class Delivery(Struct, frozen=True, gc=False):
    """One event for one webhook: a row of the outbox, and of the log once it ended."""

    id: bytes  # the same for the same run, webhook and moment; receivers tell repetitions by it
    hook: str
    event: str
    run: RunId | None  # None: a test
    made_at: Instant
    state: DeliveryState
    tries: int = 0  # since it was made, or asked for again
    tried: tuple[Tried, ...] = ()  # the latest of them
    reason: str = ""  # of a halt, as it was then
    asked_at: Instant = 0  # when somebody asked for it again

    @property
    def due_at(self) -> Instant | None:
        return self.state.due_at if isinstance(self.state, Due) else None

    @property
    def status(self) -> str:
        return str(self.state.__struct_config__.tag)


class Patience(Struct, frozen=True):
    """How long a receiver is tried: after 5 s, 20 s, 80 s, …, then each 4 hours; eleven times more, in about a day.

    A receiver that is being deployed is back in a minute, one that crashed at night by the next working day.
    """

    first: timedelta = timedelta(seconds=5)
    factor: int = 4
    most: timedelta = timedelta(hours=4)
    tries: int = 12
    life: timedelta = timedelta(hours=30)  # of a delivery, whatever its tries: a long backlog comes to an end
    spread: float = 0.2  # of a wait, by chance, so that what failed together is not tried together


PATIENCE = Patience()


def event_of(run: Run) -> str:
    """The event that a run's state is; "" when nobody is told of it."""
    return f"run.{run.status}" if isinstance(run.state, Ended | Halted) else ""


def deliveries_of(hooks: Sequence[Webhook], runs: Iterable[Run], at: Instant) -> list[Delivery]:
    """What the end of these runs brings into the outbox."""
    return [
        Delivery(
            id=delivery_id(at, run.id, hook.name, event),
            hook=hook.name,
            event=event,
            run=run.id,
            made_at=at,
            state=Due(at),
            reason=run.state.reason if isinstance(run.state, Halted) else "",
        )
        for run in runs
        if (event := event_of(run))
        for hook in hooks
        if hook.wants(run, event)
    ]


def delivery_id(at: Instant, *of: bytes | str) -> bytes:
    told = sha256(b"\0".join(each.encode() if isinstance(each, str) else each for each in of)).digest()
    return uuid7(at, told[:16], int.from_bytes(told[16:18], "big") & 0xFFF)


def after(delivery: Delivery, tried: Tried, patience: Patience, *, chance: float, wait_s: float = 0.0) -> Delivery:
    """The delivery after an attempt.

    Args:
        chance: from 0 up to 1.
        wait_s: what the receiver asked for; counts up to the longest wait.
    """
    now = tried.at + tried.took_us
    tries = delivery.tries + 1
    if 200 <= tried.status < 300:
        state: DeliveryState = Delivered(now)
    elif tried.status == GONE:
        state = GivenUp(now, "the receiver wants no more of it (410)")
    elif tries >= patience.tries:
        state = GivenUp(now, f"tried {tries} times")
    else:
        wait = max(next_wait(patience, tries, chance), min(timedelta(seconds=wait_s), patience.most))
        state = Due(now + wait // timedelta(microseconds=1))
    return replace(delivery, state=state, tries=tries, tried=(*delivery.tried, tried)[-TRIED_KEPT:])


def given_up(delivery: Delivery, at: Instant, reason: str, tried: Tried | None = None) -> Delivery:
    seen = delivery.tried if tried is None else (*delivery.tried, tried)[-TRIED_KEPT:]
    tries = delivery.tries + (tried is not None)
    return replace(delivery, state=GivenUp(at, reason), tries=tries, tried=seen)


def is_too_old(delivery: Delivery, at: Instant, patience: Patience) -> bool:
    """Whether it has waited for its next attempt beyond its life; one that was asked for again lives anew."""
    due_at = delivery.due_at
    age_us = at - max(delivery.made_at, delivery.asked_at)
    return delivery.tries > 0 and due_at is not None and age_us > patience.life // timedelta(microseconds=1)


def again(delivery: Delivery, at: Instant) -> Delivery:
    """The same, to be delivered once more, with all its tries before it. It keeps its id."""
    return replace(delivery, state=Due(at), tries=0, asked_at=at)


def next_wait(patience: Patience, tries: int, chance: float) -> timedelta:
    """The wait after this many tries."""
    wait = patience.first
    for _ in range(tries - 1):
        if wait >= patience.most:
            break
        wait *= patience.factor
    return min(wait, patience.most) * (1 - patience.spread * chance)
