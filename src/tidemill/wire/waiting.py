"""Bodies of signals, waits and approvals."""

from typing import Any

from msgspec import Struct


class SignalBody(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message from outside. Its ``id`` makes a repetition harmless: it is taken once, and answered the same."""

    payload: Any = None
    id: str = ""


class SignalView(Struct, frozen=True, omit_defaults=True):
    """What became of a signal: a step took it, or it is kept for the first that asks for it."""

    id: str
    taken: bool
    run: str = ""
    step: str = ""


class ApprovalBody(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``step`` is its path; where a run asks but one question it may be left out."""

    choice: str
    step: str = ""
    comment: str = ""
    who: str = ""


class ClosedView(Struct, frozen=True, omit_defaults=True):
    """How a wait ended: answered, timeout, stopped (its run ended, or went on without it)."""

    how: str
    at: str
    who: str = ""
    choice: str = ""


class WaitView(Struct, frozen=True, omit_defaults=True):
    run: str
    step: str
    kind: str  # signal, event, time, approval
    workflow: str
    opened_at: str
    name: str = ""  # of the signal, the type of the event
    key: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()
    until_at: str = ""  # "" is for ever
    closed: ClosedView | None = None
    link: str = ""  # of an approval, where it was asked for: whoever has it may decide


class WaitPage(Struct, frozen=True):
    waits: tuple[WaitView, ...]
    next: str = ""
