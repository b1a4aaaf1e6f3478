"""The one place that turns what a caller sends into one value per parameter."""

from collections.abc import Collection
from typing import Any

from tidemill.core.errors import InputError


class NoInputsError(InputError):
    """What was sent has no parameters at all."""

    def __init__(self, given: object) -> None:
        super().__init__(f"an input is an object with one key per parameter, not {type(given).__name__}")


def normalise(given: Any, record: str, required: Collection[str]) -> dict[str, Any]:
    """Give the input as an object with one key per parameter.

    Args:
        given: plain data; None for no input at all.
        record: the one data parameter that a bare record may stand for; "" when there is none.
        required: parameters without a default.
    Raises:
        NoInputsError: ``given`` is no object.
    """
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise NoInputsError(given)
    if not record or (given.keys() == {record} and isinstance(given[record], dict)):
        return given
    if not given and record not in required:
        return {}
    return {record: given}
