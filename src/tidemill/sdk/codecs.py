"""`Codec`: how values of a class that has no wire form travel, told by the user.

```text
Annotated[Image, Codec(Image, bytes, to_png, from_png)]     in a signature or a record
Worker("media", codecs=[Codec(Image, bytes, to_png, from_png)])     for all tasks of a worker
```
"""

import enum
import pickle
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from tidemill.sdk.errors import DefinitionError

T = TypeVar("T")
W = TypeVar("W")


class Codec(Generic[T, W]):
    """Values of ``kind`` travel as values of ``wire``.

    Args:
        kind: a class that Tidemill cannot send by itself; values of its subclasses are taken too.
        wire: a type that it can send; the schema is that of ``wire``.
        encode: gives the same for equal values, so that equal results have the same digest.
        decode: what it raises is ``invalid_input``, with its text.
    Raises:
        DefinitionError: for a class that has a wire form already.
    """

    def __init__(self, kind: type[T], wire: type[W], encode: Callable[[T], W], decode: Callable[[W], T]) -> None:
        if not isinstance(kind, type):
            raise DefinitionError(f"a Codec is for a class, and {kind!r} is none")
        if is_known(kind):
            raise DefinitionError(f"{kind.__qualname__} has a wire form already; a Codec is for a class of your own")
        self.kind, self.wire, self.encode, self.decode = kind, wire, encode, decode

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.kind.__qualname__}>"


class PickleCodec(Codec[T, bytes]):
    """Values of a class travel as Python pickles. Only a worker can choose it, in ``codecs=``, class by class.

    DANGER: whoever can submit a task of that worker, or write its inputs, runs any code as the worker's user. Choose
    it only where every submitter may do that anyway. A pickle is also bound to the versions of Python and of the class.
    """

    def __init__(self, kind: type[T]) -> None:
        super().__init__(kind, bytes, _pickled, pickle.loads)


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=5)


_NATIVE = (
    int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset, enum.Enum, Struct,
)  # fmt: skip


def is_known(kind: type) -> bool:
    """Whether msgspec encodes values of a class without asking us."""
    records = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_validator__")
    return kind in (object, type(None)) or issubclass(kind, _NATIVE) or any(hasattr(kind, each) for each in records)


Encoders = dict[type, Callable[[Any], Any]]  # by class, of what msgspec cannot encode
