"""Bodies about machines of states."""

from msgspec import Struct


class VisitView(Struct, frozen=True, omit_defaults=True):
    """One visit of a state. ``status`` is `running`, what it ended with, or the code of its failure."""

    state: str
    number: int  # from 1, of this state
    path: str  # of the visit's step
    turn: int  # from 1, of all visits of the machine
    status: str
    opened_at: str
    closed_at: str = ""
    next: str = ""  # the state that came next; "" of an end


class VisitPage(Struct, frozen=True, omit_defaults=True):
    visits: tuple[VisitView, ...]
    next: int = 0  # pass as ?after=; 0 when there are no more
