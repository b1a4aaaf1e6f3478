"""How what workers offer has changed, task by task."""

from collections.abc import Sequence

from msgspec import Struct

from tidemill.core.compat import Change, Level, compare
from tidemill.interface.manifest import Manifest


class TaskDiff(Struct, frozen=True):
    """One task that is new, gone or another. ``change`` is one of these words: new, gone, changed."""

    task: str
    change: str
    level: Level
    changes: tuple[Change, ...] = ()


def diff(old: Manifest, new: Manifest) -> list[TaskDiff]:
    """What callers of ``old`` meet in ``new``, by name; what is as it was is left out."""
    before, after = old.tasks, new.tasks
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(TaskDiff(name, "gone", Level.BREAKING))
        elif name not in before:
            found.append(TaskDiff(name, "new", Level.WIDENED))
        elif before[name].digest != after[name].digest:
            verdict = compare(before[name], after[name])
            found.append(TaskDiff(name, "changed", verdict.level, verdict.changes))
    return found


def level_of(found: Sequence[TaskDiff]) -> Level:
    return max((each.level for each in found), default=Level.COMPATIBLE)


def lines_of(found: Sequence[TaskDiff]) -> list[str]:
    """For people."""
    lines = []
    for each in found:
        lines.append(f"{each.task} is {each.change}: {each.level.name.lower()}")
        lines += [f"  {change.place}: {change.reason} ({change.level.name.lower()})" for change in each.changes]
    return lines


def document_of(found: Sequence[TaskDiff]) -> dict[str, object]:
    """For programs."""
    tasks = [
        {
            "task": each.task,
            "change": each.change,
            "level": each.level.name.lower(),
            "changes": [
                {"place": change.place, "level": change.level.name.lower(), "reason": change.reason}
                for change in each.changes
            ],
        }
        for each in found
    ]
    return {"level": level_of(found).name.lower(), "tasks": tasks}
