"""What an attempt tells besides its result: events of its run, and what was measured."""

from enum import Enum
from typing import Any

from msgspec import Struct

EMISSION_LIMIT_BYTES = 16 * 1024  # of a payload, in msgpack
EMISSIONS_OF_ATTEMPT = 1_000
EMISSIONS_OF_RUN = 10_000  # what comes after these is counted, and not kept
MEASURES_OF_ATTEMPT = 64  # names
ATTRIBUTES_MOST = 64  # of a run, and of each step
ATTRIBUTE_LIMIT_BYTES = 4 * 1024  # of one, in msgpack


class Tells(Enum):
    """What an emission is: an event, or an attribute of the step or of its run, with its name as the type."""

    EVENT = "event"
    STEP = "step"
    RUN = "run"


class Emission(Struct, frozen=True, gc=False, array_like=True):
    """An event that a task tells of its run. ``payload`` is plain data."""

    type: str
    payload: Any = None
    message: str = ""
    tells: Tells = Tells.EVENT


class Measure(Struct, frozen=True, gc=False, array_like=True):
    """What an attempt has measured under one name so far."""

    name: str
    last: float
    unit: str = ""
    count: int = 1
    sum: float = 0.0
    least: float = 0.0
    most: float = 0.0


class Took(Struct, frozen=True, gc=False, array_like=True):
    """What an attempt took, as its worker saw it: times in microseconds, memory in KiB (0: not known)."""

    fetch_us: int = 0
    run_us: int = 0
    store_us: int = 0
    peak_kib: int = 0  # of the process that ran it, since that began
