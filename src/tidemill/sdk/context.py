"""`Context`: what a task may ask for as its first parameter."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tidemill.core.bodies import AttemptFacts
from tidemill.core.requirements import Granted
from tidemill.core.telling import EMISSIONS_OF_ATTEMPT, Emission, Tells
from tidemill.sdk.errors import CancelledRunError
from tidemill.sdk.events import attribute_of, emission_of
from tidemill.sdk.file import File
from tidemill.sdk.hot import HotModels
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.ports import AttemptPort, ChildRun, IfExists
from tidemill.sdk.told import Told

if TYPE_CHECKING:
    from tidemill.sdk.definition import Definition

P = ParamSpec("P")
R = TypeVar("R")

_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")


def fault_of(name: Any, value: Any, unit: Any) -> str:
    """Why a metric cannot be kept; "" when it can."""
    if not isinstance(name, str) or not _METRIC.fullmatch(name):
        return f"metric {str(name)[:80]!r} is dropped: a name is up to 64 letters, digits, '_' and '.'"
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return f"metric {name!r} is dropped: {str(value)[:80]!r} is no finite number"
    if not isinstance(unit, str) or len(unit) > 16:
        return f"metric {name!r} is dropped: its unit has more than 16 characters"
    return ""


class Context(Told):
    """The attempt that is running: who it is, whether it should stop, and what it wants to say."""

    __slots__ = ("_emits", "_left", "_port")

    def __init__(
        self, facts: AttemptFacts, port: AttemptPort, emits: Mapping[str, TypePlan] = MappingProxyType({})
    ) -> None:
        super().__init__(facts)
        self._port, self._emits = port, emits
        self._left = EMISSIONS_OF_ATTEMPT

    @property
    def port(self) -> AttemptPort:
        """For what is built on a Context."""
        return self._port

    @property
    def time_left(self) -> timedelta | None:
        """Until the deadline, never negative."""
        if self._facts.deadline is None:
            return None
        return max(self._facts.deadline - self._port.now(), timedelta())

    @property
    def granted(self) -> Granted:
        """What this attempt has of the worker's machine, by what its task needs: CPUs, RAM and GPUs by id."""
        return self._facts.granted

    @property
    def models(self) -> HotModels:
        """Say which models are in this worker's memory."""
        return HotModels(self._port)

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was told to stop. Code that never asks is stopped after the grace time if it can be."""
        return self._port.is_cancelled()

    def raise_if_cancelled(self) -> None:
        """Raises CancelledRunError."""
        if self._port.is_cancelled():
            raise CancelledRunError("the attempt was told to stop")

    def submit(self, target: "Definition[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> ChildRun[R]:
        """Start a task or a workflow as a run that belongs to this one; returns at once.

        Wait by ``.result()``, or ``await`` in async code: meanwhile the attempt gives its place in the worker away. The
        same call in another attempt finds the same run, unless that failed. A run has at most 16 runs above it, and
        1,000 children.

        Raises:
            TypeError, InvalidInputError: for arguments that do not fit.
        """
        return self._port.child(target, args, kwargs)

    def progress(self, fraction: float, stage: str = "", message: str = "") -> None:
        """Show how far the work is; counts as a heartbeat.

        Args:
            fraction: clamped to 0..1; NaN raises ValueError.
        """
        if math.isnan(fraction):
            raise ValueError("progress is a fraction from 0 to 1, not NaN")
        self._port.progress(min(max(float(fraction), 0.0), 1.0), stage, message)

    def heartbeat(self, details: str = "") -> None:
        """Say that a long silent work is alive. A worker's own heartbeats need no help."""
        self._port.heartbeat(details)

    def emit(self, type: str, payload: Any = None, message: str = "") -> None:  # noqa: A002  # what it is called
        """Tell of something that happened; durable, and in order within the run.

        Args:
            type: such as ``page_done``; one of those that the task declares by ``emits=``, if it declares any.
            payload: plain data, or of the declared type; at most 16 KiB.
            message: for people.
        Raises:
            ValueError: for a type or a payload that is not as declared, and for more than 1,000 events of an attempt.
        """
        self._tell(emission_of(type, payload, message, self._emits))

    def set(self, name: str, value: Any) -> None:
        """Set a free attribute of this step; the last write stays with the run, and `run.step_data()` reads it.

        Args:
            value: plain data of at most 4 KiB; a step and a run have 64 attributes each. What is too many is left out,
                and the run's history says so.
        Raises:
            ValueError: for a name or a value that cannot be kept.
        """
        self._tell(attribute_of(name, value, Tells.STEP))

    def set_run(self, name: str, value: Any) -> None:
        """Set a free attribute of the run; `run.data()` reads it. As ``set`` otherwise."""
        self._tell(attribute_of(name, value, Tells.RUN))

    def _tell(self, emission: Emission) -> None:
        if not self._left:
            raise ValueError(
                f"an attempt tells of {EMISSIONS_OF_ATTEMPT:,} events and attributes at most; make it a stream"
            )
        self._left -= 1
        self._port.emit(emission)

    def metric(self, name: str, value: float, unit: str = "") -> None:
        """Measure something. It never fails: a name or a value that cannot be kept is logged and dropped.

        Args:
            name: letters, digits, ``_`` and ``.``, up to 64; up to 64 names in an attempt.
            unit: such as ``s``, ``By`` or ``tokens``, up to 16 characters.
        """
        if (fault := fault_of(name, value, unit)) or not self._port.measure(name, float(value), unit):
            self._port.log("WARNING", "tidemill", fault or f"metric {name!r} is dropped: an attempt has 64 names")

    def save_bytes(self, name: str, data: bytes, *, media_type: str = "") -> File:
        """Keep bytes as a file of the run. A name that this run has used raises FileExistsError."""
        return self._port.save_bytes(name, data, IfExists.REFUSE, media_type)

    def save_file(self, name: str, path: str | Path, *, media_type: str = "") -> File:
        """Keep a copy of a local file as a file of the run. A name that this run has used raises FileExistsError."""
        return self._port.save_file(name, str(path), IfExists.REFUSE, media_type)

    def replace_bytes(self, name: str, data: bytes, *, media_type: str = "") -> File:
        """Like ``save_bytes``, over what the name held."""
        return self._port.save_bytes(name, data, IfExists.REPLACE, media_type)

    def replace_file(self, name: str, path: str | Path, *, media_type: str = "") -> File:
        """Like ``save_file``, over what the name held."""
        return self._port.save_file(name, str(path), IfExists.REPLACE, media_type)
