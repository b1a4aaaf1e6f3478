"""`Depends`: a parameter that a factory fills. Read once, when its task is declared.

```python
def open_db(url: str = "sqlite://") -> Iterator[Db]:
    with connect(url) as db:
        yield db

@media.task
def known(topic: str, *, db: Annotated[Db, Depends(open_db)] = injected) -> int: ...
```
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Annotated, Any, get_args, get_origin

from msgspec import Struct

from tidemill.sdk.callables import (
    function_of,
    hints_of,
    is_async_generator,
    is_coroutine,
    is_generator,
    name_of,
    parameters_of,
)
from tidemill.sdk.context import Context
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.options import injected


class Scope(Enum):
    """How long an instance lives."""

    ATTEMPT = "attempt"  # made for each attempt, torn down when it ends
    WORKER = "worker"  # made at first use, once in a process; torn down when its worker stops


class Depends:
    """The mark of a parameter that a factory fills: ``db: Annotated[Db, Depends(open_db)] = injected``.

    A factory is any callable, async or not. One that yields once is torn down after the yield, in reverse order, and
    gets the error of the attempt there. It may ask for a Context (first), TaskFiles and other dependencies itself.

    Args:
        factory: makes the instance.
        args: what it is called with. Uses of one factory with equal arguments share an instance, per scope.
        scope: how long an instance lives.
    """

    def __init__(
        self, factory: Callable[..., object], /, *args: Any, scope: Scope = Scope.ATTEMPT, **kwargs: Any
    ) -> None:
        self.factory, self.scope = factory, scope
        self.args, self.kwargs = args, kwargs

    def of(self, kind: Any) -> "Depends":  # other marks look at it
        """The mark, once the type of its parameter is known."""
        return self

    def __repr__(self) -> str:
        return f"Depends({told(self.factory)})"


class Giving(Enum):
    """How a factory gives its instance."""

    RETURNS = "returns"
    AWAITED = "awaited"
    YIELDS = "yields"
    YIELDS_ASYNC = "yields async"


Key = tuple[Callable[..., Any], tuple[Any, ...], tuple[tuple[str, Any], ...]]


class Provider(Struct, frozen=True):
    """A factory with its arguments, read. ``needs`` are its own dependencies by parameter."""

    factory: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    scope: Scope
    giving: Giving
    context: bool = False
    files: tuple[str, ...] = ()
    needs: dict[str, "Provider"] = {}

    @property
    def key(self) -> Key:
        return self.factory, self.args, self.kwargs

    @property
    def wants_files(self) -> bool:
        return bool(self.files) or any(need.wants_files for need in self.needs.values())

    @property
    def wants_context(self) -> bool:
        return self.context or any(need.wants_context for need in self.needs.values())


def depends_of(hint: Any) -> Depends | None:
    """The mark in ``Annotated[T, Depends(…)]``."""
    if get_origin(hint) is not Annotated:
        return None
    kind, *marks = get_args(hint)
    return next((each.of(kind) for each in marks if isinstance(each, Depends)), None)


def told(factory: Callable[..., Any]) -> str:
    return name_of(factory) or repr(factory)


def read_provider(mark: Depends, names: Mapping[str, Any], chain: tuple[Depends, ...] = ()) -> Provider:
    """Raises DefinitionError with the chain of factories; NameError for a name that is not defined yet.

    Args:
        chain: the factories that lead here.
    """
    way = (*chain, mark)
    factory, args, kwargs = _flattened(mark)
    if any((each.factory, each.args, each.kwargs) == (mark.factory, mark.args, mark.kwargs) for each in chain):
        raise DefinitionError(f"{_way(way)}: a dependency that needs itself is never made")
    _check_factory(factory, way)
    hints = hints_of(factory, names)
    context, files, needs = False, [], {}
    for place, each in enumerate(parameters_of(factory)):
        hint = hints.get(each.name)
        if hint is Context and place == 0:
            context = True
            _check_scope(mark, way, f"{each.name}: Context")
            continue
        if hint is TaskFiles:
            files.append(each.name)
            _check_scope(mark, way, f"{each.name}: TaskFiles")
        elif (inner := depends_of(hint)) is not None:
            if inner.scope is Scope.ATTEMPT:
                _check_scope(mark, way, f"{each.name}: {told(inner.factory)}")
            needs[each.name] = read_provider(inner, names, way)
        else:
            continue
        if each.default is not injected:
            raise DefinitionError(f"{_way(way)}: {each.name} is injected; write `*, {each.name}: … = injected`")
    _check_call(factory, way, (None, *args) if context else args, kwargs)
    pairs = tuple(sorted(kwargs.items()))
    provider = Provider(factory, args, pairs, mark.scope, _giving(factory), context, tuple(files), needs)
    _check_key(provider, way)
    return provider


def check_gift(mark: Depends, hint: Any, names: Mapping[str, Any]) -> None:
    """Refuse a factory whose class is surely not that of the parameter. Raises DefinitionError."""
    wanted = get_args(hint)[0]
    gift: Any = mark.factory if inspect.isclass(mark.factory) else hints_of(mark.factory, names).get("return")
    if get_origin(gift) is not None and _giving(mark.factory) in (Giving.YIELDS, Giving.YIELDS_ASYNC):
        gift = get_args(gift)[0]
    is_plain = (
        wanted is not Any
        and inspect.isclass(wanted)
        and inspect.isclass(gift)
        and not getattr(wanted, "_is_protocol", False)
    )
    if is_plain and not _is_subclass(gift, wanted):
        raise DefinitionError(f"{told(mark.factory)} gives a {gift.__name__}, and not a {wanted.__name__}")


def _is_subclass(gift: type, wanted: type) -> bool:
    try:
        return issubclass(gift, wanted)
    except TypeError:  # a class that answers no such question, as some generic ones
        return True


def _flattened(mark: Depends) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """A partial is its function with arguments."""
    factory: Any = mark.factory
    args, kwargs = mark.args, mark.kwargs
    while isinstance(factory, partial):
        factory, args, kwargs = factory.func, (*factory.args, *args), {**factory.keywords, **kwargs}
    return factory, args, kwargs


def _giving(factory: Callable[..., Any]) -> Giving:
    if is_async_generator(factory):
        return Giving.YIELDS_ASYNC
    if is_generator(factory):
        return Giving.YIELDS
    return Giving.AWAITED if is_coroutine(factory) else Giving.RETURNS


def _way(chain: tuple[Depends, ...]) -> str:
    return " → ".join(told(each.factory) for each in chain)


def _check_factory(factory: Callable[..., Any], way: tuple[Depends, ...]) -> None:
    if not callable(factory):
        raise DefinitionError(f"{_way(way)}: {factory!r} is no factory; give the function, not what it returns")
    inner = getattr(function_of(factory), "__wrapped__", None)
    if inner is not None and (inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)):
        raise DefinitionError(
            f"{_way(way)}: a generator is a factory as it is; take away @contextmanager, or give {told(factory)}"
            ".__wrapped__"
        )


def _check_scope(mark: Depends, way: tuple[Depends, ...], wanted: str) -> None:
    if mark.scope is Scope.WORKER:
        raise DefinitionError(
            f"{_way(way)}: {told(mark.factory)} is made once per worker, and needs {wanted}, which each attempt has "
            "of its own; make both of one scope"
        )


def _check_call(factory: Callable[..., Any], way: tuple[Depends, ...], args: tuple[Any, ...], kwargs: Any) -> None:
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        name = told(factory)
        raise DefinitionError(f"{_way(way)}: {name} cannot be called: {error}; write Depends({name}, …)") from None


def _check_key(provider: Provider, way: tuple[Depends, ...]) -> None:
    try:
        hash(provider.key)
    except TypeError:
        raise DefinitionError(
            f"{_way(way)}: its arguments tell instances apart, so they must be hashable: a tuple, not a list"
        ) from None


def factories_of(provided: Mapping[str, Provider]) -> typing.Iterator[Provider]:
    """Each provider, and all that they need."""
    for provider in provided.values():
        yield provider
        yield from factories_of(provider.needs)
