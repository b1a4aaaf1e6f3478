"""Any row, made from its type."""

import functools
import types
import typing
from enum import Enum
from typing import Any

import msgspec
from hypothesis import strategies as st

INT = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: INT,
    str: st.text(max_size=20),
    bytes: st.binary(max_size=40),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
    Any: st.recursive(
        st.none() | st.booleans() | INT | st.text(max_size=5) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=4,
    ),
}


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as rows use it: structs, enums, unions, tuples, dicts, new types."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, typing.NewType):
        return any_of(kind.__supertype__)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return st.one_of([any_of(argument) for argument in arguments])
    if origin is dict:
        return st.dictionaries(any_of(arguments[0]), any_of(arguments[1]), max_size=2)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(any_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, arguments))
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return struct_of(kind)


@functools.cache
def struct_of(kind: Any) -> st.SearchStrategy[Any]:
    """Made when it is drawn: a struct may hold others of its kind."""

    def made() -> st.SearchStrategy[Any]:
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{field.name: any_of(hints[field.name]) for field in msgspec.structs.fields(kind)})

    return st.deferred(made)
