"""`Catalog`: the tasks of several workers, found by name. No server is asked."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

from tidemill.core.errors import InputError
from tidemill.sdk.definition import LocalTask, Task
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.named import NamedTask
from tidemill.sdk.worker import Worker, tasks_in

R = TypeVar("R")


class UnknownNamespaceError(InputError, LookupError):
    """No worker of the catalog has this name. ``nearest`` are those that look like it."""

    def __init__(self, namespace: str, known: Sequence[str]) -> None:
        self.namespace, self.nearest = namespace, _near(namespace, known)
        super().__init__(f"there is no worker {namespace}{_hint(self.nearest, known)}")


class NotInCatalogError(InputError, LookupError):
    """The worker is in the catalog, and has no task of this name. ``nearest`` are those that look like it."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        namespace, _, short = name.partition(".")
        self.name, self.nearest = name, tuple(f"{namespace}.{near}" for near in _near(short, known))
        super().__init__(f"{namespace} has no task {short}{_hint(self.nearest, known)}")


class Catalog:
    """Tasks by ``namespace.name``; a namespace is the name of a worker.

    Raises:
        DefinitionError: two workers declare one task.
    """

    def __init__(self, *workers: Worker) -> None:
        self._by_namespace: dict[str, dict[str, LocalTask[..., Any, Any]]] = {each.name: {} for each in workers}
        for task in tasks_in(workers).values():  # of several implementations, the first one: their signatures are one
            self._by_namespace[task.namespace].setdefault(task.name.partition(".")[2], task)

    @property
    def namespaces(self) -> tuple[str, ...]:
        return tuple(sorted(self._by_namespace))

    def tasks(self, namespace: str = "") -> tuple[LocalTask[..., Any, Any], ...]:
        """Those of one worker, or all; sorted by name. Raises UnknownNamespaceError."""
        chosen: Iterable[str] = [namespace] if namespace else self.namespaces
        return tuple(task for each in chosen for _, task in sorted(self._of(each).items()))

    def find(self, name: str) -> LocalTask[..., Any, Any]:
        """The task ``namespace.name``. Raises UnknownNamespaceError, or NotInCatalogError."""
        namespace, dot, short = name.partition(".")
        if not dot:
            raise DefinitionError(f"{name!r} is no name of a task; write namespace.name")
        tasks = self._of(namespace)
        if short not in tasks:
            raise NotInCatalogError(name, list(tasks))
        return tasks[short]

    def __contains__(self, name: object) -> bool:
        namespace, _, short = str(name).partition(".")
        return short in self._by_namespace.get(namespace, {})

    def __repr__(self) -> str:
        return f"<catalog of {', '.join(task.name for task in self.tasks()) or 'no tasks'}>"

    def _of(self, namespace: str) -> dict[str, LocalTask[..., Any, Any]]:
        if namespace not in self._by_namespace:
            raise UnknownNamespaceError(namespace, list(self._by_namespace))
        return self._by_namespace[namespace]


@overload
def task_named(name: str, gives: type[R], /) -> Task[..., R]: ...
@overload
def task_named(name: str, /) -> Task[..., Any]: ...
def task_named(name: str, gives: Any = Any, /) -> Task[..., Any]:
    """A task of which only the name is known, for a workflow: ``task_named("media.thumb", File)(photo=photo)``.

    Inputs go by name. They and the result are checked when the workflow is published, against what its worker has
    announced; a name that nobody announced yet is accepted, and the step waits.

    Args:
        name: ``namespace.name``.
        gives: the type of its result, where the workflow looks into it.
    """
    return NamedTask(name, gives)


def _near(name: str, known: Sequence[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name, known, 3, 0.5))


def _hint(nearest: Sequence[str], known: Sequence[str]) -> str:
    if nearest:
        return f"; did you mean {' or '.join(nearest)}?"
    return f"; there is {', '.join(sorted(known))}" if known else ""
