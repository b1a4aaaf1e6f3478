"""Events that a task tells of its run: what their names are, and what they carry."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.telling import ATTRIBUTE_LIMIT_BYTES, EMISSION_LIMIT_BYTES, Emission, Tells
from tidemill.sdk.errors import DefinitionError, DoesNotFitError
from tidemill.sdk.plans import TypePlan, plan_of

MESSAGE_LIMIT = 2_000  # characters
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_EXPECTED = "letters, digits, '_', '.' and '-', up to 64, a letter first"


def event_plans(emits: Mapping[str, Any]) -> dict[str, TypePlan]:
    """What ``emits=`` declares. Raises DefinitionError."""
    if wrong := [kind for kind in emits if not _TYPE.fullmatch(kind)]:
        raise DefinitionError(f"{wrong[0]!r} is no type of an event: {_EXPECTED}")
    return {kind: plan_of(payload) for kind, payload in emits.items()}


def emission_of(kind: str, payload: object, message: str, declared: Mapping[str, TypePlan]) -> Emission:
    """Raises ValueError for a type that was not declared where some are, and for a payload that does not fit."""
    if not _TYPE.fullmatch(kind):
        raise ValueError(f"{kind!r} is no type of an event: {_EXPECTED}")
    if declared and kind not in declared:
        near = difflib.get_close_matches(kind, declared, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"the task does not declare that it emits {kind!r}{hint} It declares {', '.join(declared)}")
    plan = declared.get(kind) or plan_of(Any)
    try:
        encoded = plan.encode(payload)
    except DoesNotFitError as error:
        raise ValueError(f"the payload of event {kind!r} is no {plan.name}: {error}") from None
    if encoded.local:
        raise ValueError(f"event {kind!r} carries a file that only this machine has; save it, and give its name")
    if len(encoded.data) > EMISSION_LIMIT_BYTES:
        raise ValueError(
            f"the payload of event {kind!r} has {len(encoded.data):,} bytes, and may have {EMISSION_LIMIT_BYTES:,}: "
            "save it as a file, and give its name"
        )
    return Emission(kind, msgspec.Raw(encoded.data), str(message)[:MESSAGE_LIMIT])


def attribute_of(name: str, value: object, tells: Tells) -> Emission:
    """Raises ValueError for what is no name, and for a value that is no plain data or too large."""
    untyped: object = name
    if not isinstance(untyped, str) or not _TYPE.fullmatch(untyped):
        raise ValueError(f"{str(untyped)[:80]!r} is no name of an attribute: {_EXPECTED}")
    try:
        encoded = plan_of(Any).encode(value)
    except DoesNotFitError as error:
        raise ValueError(f"the attribute {name!r} is no plain data: {error}") from None
    if encoded.local or encoded.refs:
        raise ValueError(f"the attribute {name!r} holds a file; save it, and give its name")
    if len(encoded.data) > ATTRIBUTE_LIMIT_BYTES:
        raise ValueError(
            f"the attribute {name!r} has {len(encoded.data):,} bytes, and may have {ATTRIBUTE_LIMIT_BYTES:,}: "
            "save it as a file, and give its name"
        )
    return Emission(name, msgspec.Raw(encoded.data), tells=tells)
