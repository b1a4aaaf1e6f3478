"""What a submission says beside its inputs, as users write it and as it travels."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemill.core.rules import OnActive
from tidemill.sdk.errors import InvalidInputError
from tidemill.sdk.options import Options, Seconds, seconds


class SubmitOptions(Options, total=False):
    """What a submission says beside its inputs. It stands above what the task or its use says."""

    tags: Mapping[str, str]  # to find the run by
    traceparent: str  # of the W3C: the trace that the run belongs to
    key: str  # the same key for the same target gives the same run; with another input it is refused
    key_lifetime: Seconds  # how long after the run's end a key is known; seven days where nothing is said
    unique: str  # one run of the target at a time has it
    on_active: OnActive  # what a submission gets while that run is not over
    debounce: Seconds  # with a key: wait so long; a further submission replaces the inputs, and the wait begins anew
    debounce_max: Seconds  # from the first submission to the start; ten times ``debounce`` where nothing is said
    delay: Seconds  # begin so long after the submission
    start_at: datetime  # or then; it has a time zone
    run_timeout: Seconds  # a run that is not over so long after its begin fails with the code ``timeout``
    breakpoints: Sequence[str]  # paths of steps that stop before they begin: "embed", "pages[3]/embed"


NAMES = frozenset(SubmitOptions.__annotations__) - frozenset(Options.__annotations__)
_LENGTHS = ("key_lifetime", "debounce", "debounce_max", "delay", "run_timeout")


def said_of(options: SubmitOptions) -> dict[str, Any]:
    """Fields of a Submission. Raises InvalidInputError."""
    given: Mapping[str, Any] = {name: value for name, value in options.items() if name in NAMES}
    said = {f"{name}_s" if name in _LENGTHS else name: value for name, value in given.items()}
    for name in _LENGTHS:
        if name in given:
            said[f"{name}_s"] = float(seconds(given[name]) or 0)
    if "breakpoints" in said:
        said["breakpoints"] = tuple(said["breakpoints"])
    if "tags" in said:
        said["tags"] = dict(said["tags"])
    at = said.get("start_at")
    if at is not None:
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise InvalidInputError(f"start_at={at!r}: give a datetime with a time zone, as datetime.now(UTC) has one")
        said["start_at"] = at.isoformat()
    return said
