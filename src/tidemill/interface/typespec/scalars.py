"""The names that every spec may use, and what they are in Python."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from tidemill.sdk.file import File


def _bounded(low: int, high: int) -> Any:
    return Annotated[int, Meta(ge=low, le=high)]


SCALARS: dict[str, Any] = {
    "string": str,
    "url": str,
    "boolean": bool,
    "bool": bool,  # as people write it who come from elsewhere; so is `int`
    "int": int,
    "integer": int,
    "int64": int,
    "int32": _bounded(-(2**31), 2**31 - 1),
    "int16": _bounded(-(2**15), 2**15 - 1),
    "int8": _bounded(-(2**7), 2**7 - 1),
    "safeint": _bounded(-(2**53) + 1, 2**53 - 1),
    "uint64": Annotated[int, Meta(ge=0)],
    "uint32": _bounded(0, 2**32 - 1),
    "uint16": _bounded(0, 2**16 - 1),
    "uint8": _bounded(0, 2**8 - 1),
    "float": float,
    "float32": float,
    "float64": float,
    "numeric": float,
    "decimal": Decimal,
    "decimal128": Decimal,
    "bytes": bytes,
    "plainDate": date,
    "plainTime": time,
    "utcDateTime": datetime,
    "offsetDateTime": datetime,
    "duration": timedelta,
    "uuid": UUID,
    "null": None,
    "void": None,
    "unknown": Any,
    "File": File,
}
GENERIC = {"Array": 1, "Record": 1, "Stream": 1}  # and how many types each takes
BUILT_IN = frozenset((*SCALARS, *GENERIC))
LIBRARIES = ("TypeSpec.Http.", "TypeSpec.Streams.", "TypeSpec.")  # whose names may be written in full
