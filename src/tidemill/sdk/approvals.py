"""The answer of a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

C_co = TypeVar("C_co", covariant=True)


@dataclass(frozen=True)
class Approval(Generic[C_co]):
    """What somebody decided: one of the choices, and what they said to it. ``at`` is in UTC."""

    choice: C_co
    comment: str
    who: str
    at: datetime
