"""Unions that end the process when msgspec 0.22 makes a decoder for them: a fixed tuple beside a bounded type.

Seen with ``tuple[int, str] | Annotated[int, Meta(ge=0)]``: the decoder's memory is freed twice. Such a union is read
member by member instead, as those are that msgspec refuses.
"""

from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta

_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")


def is_fragile(members: Iterable[Any]) -> bool:
    """Whether a union of these must not be given to msgspec."""
    listed = list(members)
    return any(map(_is_fixed_tuple, listed)) and any(map(_is_bounded, listed))


def _is_fixed_tuple(kind: Any) -> bool:
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_origin(inner) is tuple and get_args(inner)[-1:] != (...,)


def _is_bounded(kind: Any) -> bool:
    marks = kind.__metadata__ if get_origin(kind) is Annotated else ()
    return any(getattr(mark, bound) is not None for mark in marks if isinstance(mark, Meta) for bound in _BOUNDS)
