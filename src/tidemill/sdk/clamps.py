"""`Clamp`: a number that is corrected instead of refused. The schema says so, and the correction follows the schema."""

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Meta

from tidemill.core.fit import view_of
from tidemill.core.graph import Schema
from tidemill.core.run import Adjustment
from tidemill.core.values import MAX_INT, MIN_INT
from tidemill.sdk.along import Along, Number, is_number
from tidemill.sdk.errors import DefinitionError, DoesNotFitError

KEY = "x-tidemill-clamp"  # of a schema: {"minimum": …, "maximum": …}
MOST = 100  # adjustments of one value that are told


def Clamp(low: Number | None = None, high: Number | None = None) -> Meta:  # noqa: N802  # written like a type
    """A mark of a number in a task's input: it is brought to the nearest bound instead of refused.

    Written ``Annotated[int, Clamp(1, 8)]``, of a parameter or of a record's field; either bound may be left out. NaN
    is refused, since no bound is nearest. ``run.adjustments()`` tells what was corrected.
    """
    bounds = {"minimum": low, "maximum": high}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if not given:
        raise DefinitionError("a Clamp needs a bound: Clamp(1, 8), Clamp(low=1) or Clamp(high=8)")
    for bound in given.values():
        if not is_number(bound) or not math.isfinite(bound):
            raise DefinitionError(f"a Clamp is between numbers, and {bound!r} is none")
    if low is not None and high is not None and low > high:
        raise DefinitionError(f"Clamp({low}, {high}) leaves no number; the lower bound comes first")
    return Meta(extra_json_schema={KEY: given})


def bounds_of(mark: object) -> Mapping[str, Number] | None:
    """The bounds of an annotation's mark that is a Clamp."""
    extra = mark.extra_json_schema if isinstance(mark, Meta) else None
    return extra.get(KEY) if extra else None


def corrected(plain: Any, schema: Schema) -> tuple[Any, tuple[Adjustment, ...]]:
    """Plain data with its numbers brought within the bounds that the schema names.

    Raises DoesNotFitError: for a number that no message could tell of.
    """
    walk = _Correcting()
    value = walk.value(plain, view_of(schema), "$")
    return value, tuple(walk.found)


class _Correcting(Along):
    def __init__(self) -> None:
        self.found: list[Adjustment] = []

    def number(self, plain: Number, schema: Schema, path: str) -> Number:
        bounds: Mapping[str, Number] | None = schema.get(KEY)
        if bounds is None:
            return plain
        used = max(plain, bounds.get("minimum", plain))
        used = min(used, bounds.get("maximum", used))
        if used == plain:
            return plain
        if not math.isfinite(plain) or (isinstance(plain, int) and not MIN_INT <= plain <= MAX_INT):
            raise DoesNotFitError(f"{plain} cannot be corrected; give a number of 64 bits", path)
        if len(self.found) < MOST:
            self.found.append(Adjustment(path, plain, used))
        return used
