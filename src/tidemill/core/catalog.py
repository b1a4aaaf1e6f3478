"""The definitions that workers have announced; kept after the workers leave."""

import difflib
from collections.abc import Iterable, Sequence

from tidemill.core.definitions import TaskDefinition
from tidemill.core.url_names import url_name


class Catalog:
    """Owned by the engine, which adds to it after the commit of an announcement.

    Implementations of one version differ in what they require; for all else, and for whom nobody names one, the last
    one that was announced speaks.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, TaskDefinition]] = {}
        self._variants: dict[tuple[str, str, str], TaskDefinition] = {}
        self._by_url: dict[str, str] = {}

    def add(self, definitions: Iterable[TaskDefinition]) -> None:
        """The last one added of a name is its latest."""
        for definition in definitions:
            versions = self._by_name.setdefault(definition.name, {})
            versions.pop(definition.digest, None)
            versions[definition.digest] = definition
            self._variants[definition.name, definition.digest, definition.implementation] = definition
            self._by_url[url_name(definition.name)] = definition.name

    def latest(self, name: str) -> TaskDefinition | None:
        versions = self._by_name.get(name)
        return next(reversed(versions.values())) if versions else None

    def find(self, name: str, digest: str) -> TaskDefinition | None:
        """The version that a node was built against; with digest "" the latest."""
        return self._by_name.get(name, {}).get(digest) if digest else self.latest(name)

    def variant(self, name: str, digest: str, implementation: str) -> TaskDefinition | None:
        """One implementation of a version, as it was announced last."""
        return self._variants.get((name, digest, implementation))

    def named(self, text: str) -> str | None:
        """The task of a name, or of a name in URLs; of two that coincide the one that was announced last."""
        return text if text in self._by_name else self._by_url.get(text)

    def versions(self, name: str) -> Sequence[TaskDefinition]:
        return tuple(self._by_name.get(name, {}).values())

    def names(self) -> Sequence[str]:
        return sorted(self._by_name)

    def nearest(self, name: str, others: Iterable[str] = ()) -> tuple[str, ...]:
        """Up to three announced names, or ones of ``others``, that look like ``name``."""
        every = dict.fromkeys([*self._by_name, *others])
        close = difflib.get_close_matches(name, every, n=3, cutoff=0.5)
        tail = name.rpartition(".")[2]
        same = [known for known in sorted(every) if known.rpartition(".")[2] == tail]
        return tuple(dict.fromkeys([*close, *same]))[:3]
