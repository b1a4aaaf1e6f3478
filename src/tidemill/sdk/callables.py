"""What a callable looks like, whatever it is: a function, a method, a class, an object with ``__call__``, a partial."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any


def function_of(callable_: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose annotations and body count."""
    while isinstance(callable_, functools.partial):
        callable_ = callable_.func
    if inspect.isclass(callable_):
        return callable_.__new__ if callable_.__init__ is object.__init__ else callable_.__init__
    if inspect.isroutine(callable_):
        return callable_
    return type(callable_).__call__


def hints_of(callable_: Callable[..., Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """Annotations as types. ``names`` may be named besides the globals. Raises NameError."""
    return typing.get_type_hints(function_of(callable_), localns=dict(names), include_extras=True)


def parameters_of(callable_: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those that a caller may give; what a partial has given is not among them."""
    given: set[str] = set()
    inner: Any = callable_
    while isinstance(inner, functools.partial):
        given |= inner.keywords.keys()
        inner = inner.func
    found = [each for each in inspect.signature(callable_).parameters.values() if each.name not in given]
    if not given:
        return found
    # A keyword that is given makes all after it keyword-only; without it they are what they were written as.
    kinds = {name: each.kind for name, each in inspect.signature(inner).parameters.items()}
    return [each.replace(kind=kinds[each.name]) for each in found]


def name_of(callable_: Callable[..., Any]) -> str:
    """``""`` for what has none, as a partial of an object."""
    while isinstance(callable_, functools.partial):
        callable_ = callable_.func
    return getattr(callable_, "__name__", "")


def doc_of(callable_: Callable[..., Any]) -> str | None:
    while isinstance(callable_, functools.partial):
        callable_ = callable_.func
    own = None if inspect.isclass(callable_) else function_of(callable_).__doc__
    return own or callable_.__doc__


def is_coroutine(callable_: Callable[..., Any]) -> bool:
    return not inspect.isclass(callable_) and inspect.iscoroutinefunction(function_of(callable_))


def is_generator(callable_: Callable[..., Any]) -> bool:
    return not inspect.isclass(callable_) and inspect.isgeneratorfunction(function_of(callable_))


def is_async_generator(callable_: Callable[..., Any]) -> bool:
    return not inspect.isclass(callable_) and inspect.isasyncgenfunction(function_of(callable_))
