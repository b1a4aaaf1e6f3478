"""Versions of a task that another version may stand for: its callers are served by it, by `core.compat`."""

from collections.abc import Iterable, Mapping

from tidemill.core.catalog import Catalog
from tidemill.core.compat import compare
from tidemill.core.definitions import TaskDefinition

MOST_VERSIONS = 32  # of one task, the last ones: a verdict each, when a worker says hello

Standing = Mapping[tuple[str, str], tuple[str, ...]]  # (task, digest) -> digests that it may be asked for as well


def standing_of(tasks: Iterable[TaskDefinition], catalog: Catalog) -> Standing:
    """For whom a worker's tasks stand, among the versions that were ever announced."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for task in tasks:
        others = [each for each in catalog.versions(task.name)[-MOST_VERSIONS:] if each.digest != task.digest]
        if served := tuple(each.digest for each in others if compare(each, task).serves):
            found[task.name, task.digest] = served
    return found
