"""numpy arrays as values: type, shape, order of the axes and bytes. numpy itself is never imported here.

A signature that names ``numpy.ndarray`` has imported it; all that is needed hangs on that class.
"""

import base64
import math
import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from tidemill.core.graph import Schema
from tidemill.sdk.errors import DefinitionError, DoesNotFitError

KEY = "$array"  # of the wire form: {"$array": "<f4", "shape": [2, 3], "order": "C", "data": bytes}
_DTYPE = re.compile(r"[<>|](?:b1|[iu][1248]|f[248]|c(?:8|16)|[SU]\d+|[mM]8(?:\[\w+\])?)")
SCHEMA: Schema = {
    "title": "ndarray",
    "type": "object",
    "properties": {
        KEY: {"type": "string", "pattern": f"^{_DTYPE.pattern}$"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "order": {"enum": ["C", "F"]},
        "data": {"type": "string", "contentEncoding": "base64"},
    },
    "required": [KEY, "shape", "data"],
}


def is_array(cls: Any) -> bool:
    return isinstance(cls, type) and (cls.__module__, cls.__name__) == ("numpy", "ndarray")


def element_of(kind: Any) -> type | None:
    """The class of elements of ``NDArray[…]``; None for any. Raises DefinitionError for Python objects."""
    arguments = get_args(kind)
    element = next(iter(get_args(arguments[1])), None) if len(arguments) > 1 and get_origin(arguments[1]) else None
    element = get_origin(element) or element  # of floating[Any]
    if not isinstance(element, type):
        return None
    if element.__name__ in ("object_", "void", "longdouble", "clongdouble"):
        raise DefinitionError(f"an array of {element.__name__} cannot be sent; use one of numbers, texts or dates")
    return element


def to_wire(array: Any) -> dict[str, Any]:
    """Raises DoesNotFitError for elements that are no plain bytes."""
    dtype: str = array.dtype.str
    if array.dtype.names is not None or not _DTYPE.fullmatch(dtype):
        raise DoesNotFitError(f"an array of {array.dtype} cannot be sent; use one of numbers, texts or dates")
    if not is_array(type(array)):
        raise DoesNotFitError(f"a {type(array).__name__} cannot be sent; use numpy.asarray(…), or a Codec")
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return {KEY: dtype, "shape": list(array.shape), "order": order, "data": array.tobytes(order)}


def from_wire(plain: Any, cls: Any, element: type | None) -> Any:
    """Raises ValueError for what is no array, or one of other elements."""
    dtype, shape, order, data = _parts(plain)
    if not _DTYPE.fullmatch(dtype):
        raise ValueError(f"Expected an array of numbers, texts or dates, not of {dtype[:20]!r}")
    empty = cls((0,), dtype)
    if element is not None and not issubclass(empty.dtype.type, element):
        raise ValueError(f"Expected an array of {element.__name__}, got {empty.dtype.name}")
    if math.prod(shape) * empty.itemsize != len(data):
        raise ValueError(f"Expected {math.prod(shape)} elements of {dtype}, got {len(data)} bytes")
    return cls(shape, dtype, bytearray(data) if data else None, order=order)


def _parts(plain: Any) -> tuple[str, tuple[int, ...], str, bytes]:
    if not isinstance(plain, Mapping) or not isinstance(plain.get(KEY), str):
        raise ValueError(f"Expected an array, an object with the key {KEY!r}")  # noqa: TRY004  # a place is added
    shape, order, data = plain.get("shape"), plain.get("order", "C"), plain.get("data")
    if not isinstance(shape, list | tuple) or not all(type(each) is int and each >= 0 for each in shape):
        raise ValueError("Expected an array with its shape, a list of lengths")
    if order not in ("C", "F"):
        raise ValueError("Expected an array with the order C or F")
    if isinstance(data, str):
        try:
            data = base64.b64decode(data, validate=True)
        except ValueError:
            raise ValueError("Expected the data of an array in base64") from None
    if not isinstance(data, bytes):
        raise ValueError("Expected an array with its data")  # noqa: TRY004
    return plain[KEY], tuple(shape), order, data
