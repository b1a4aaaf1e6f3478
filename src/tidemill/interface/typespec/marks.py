"""What decorators say: texts for people, bounds of values, options of tasks, and how the program is started."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from tidemill.interface.typespec.syntax import Decorator, Entries, Items, Member, Notes, Plain, SpecError, Value

_FOR_PEOPLE = ("doc", "summary", "deprecated", "example")
BOUNDS = {
    "minValue": "ge",
    "maxValue": "le",
    "minValueExclusive": "gt",
    "maxValueExclusive": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}
COMMAND = "command"
PORTMAPPING = "portmapping"
OPTIONS = {
    "pool": "pool",
    "timeout": "timeout",
    "retries": "retries",
    "silence": "silence",
    "queueTimeout": "queue_timeout",
    "priority": "priority",
    "statuses": "statuses",
    "ignoreUnknown": "ignore_unknown",
}
_TAKES: Mapping[str, tuple[type, ...]] = {
    "ge": (int, float),
    "le": (int, float),
    "gt": (int, float),
    "lt": (int, float),
    "min_length": (int,),
    "max_length": (int,),
    "pattern": (str,),
    "pool": (str,),
    "timeout": (int, float),
    "retries": (int,),
    "silence": (int, float),
    "queue_timeout": (int, float),
    "priority": (int,),
    "concurrency": (int,),
}
_WORDS = {int: "a whole number", float: "a number", str: "a text"}


def check(notes: Notes, known: Iterable[str], what: str) -> None:
    """Refuse a decorator that means nothing here."""
    names = [*known, *_FOR_PEOPLE]
    for each in notes.decorators:
        if each.name not in names:
            near = get_close_matches(each.name, names, 1)
            hint = f"did you mean @{near[0]}?" if near else f"there is {', '.join('@' + name for name in names)}"
            raise SpecError(f"@{each.name} says nothing of {what}; {hint}", each.place)


def doc_of(notes: Notes) -> str:
    for each in notes.decorators:
        if each.name == "doc":
            return str(_only(each, (str,)))
    return notes.doc


def has(notes: Notes, name: str) -> bool:
    return any(each.name == name for each in notes.decorators)


def keywords(notes: Notes, table: Mapping[str, str]) -> dict[str, Any]:
    """The decorators of a table as keyword arguments."""
    return {table[each.name]: _argument(each, table[each.name]) for each in notes.decorators if each.name in table}


def texts(decorator: Decorator) -> tuple[str, ...]:
    found = [each.value for each in decorator.arguments if isinstance(each, Plain) and isinstance(each.value, str)]
    if not found or len(found) < len(decorator.arguments):
        raise SpecError(f'@{decorator.name} takes texts: @{decorator.name}("…", …)', decorator.place)
    return tuple(found)


def _argument(decorator: Decorator, keyword: str) -> Any:
    match keyword:
        case "ignore_unknown":
            if decorator.arguments:
                raise SpecError(f"@{decorator.name} takes nothing", decorator.place)
            return True
        case "statuses":
            return texts(decorator)
        case "pools":
            return _limits(decorator)
        case _:
            return _only(decorator, _TAKES[keyword])


def _only(decorator: Decorator, kinds: tuple[type, ...]) -> Any:
    given = decorator.arguments[0] if len(decorator.arguments) == 1 else None
    if not isinstance(given, Plain) or isinstance(given.value, bool) or not isinstance(given.value, kinds):
        what = _WORDS[kinds[-1]]
        raise SpecError(f"@{decorator.name} takes {what}", decorator.place)
    return given.value


def _limits(decorator: Decorator) -> dict[str, int]:
    given = plain(decorator.arguments[0], _no_member) if len(decorator.arguments) == 1 else None
    if not isinstance(given, dict) or not all(type(each) is int for each in given.values()):
        raise SpecError(f"@{decorator.name} takes limits by pool: @{decorator.name}(#{{gpu: 1}})", decorator.place)
    return given


def _no_member(member: Member) -> Any:
    raise SpecError("expected a value, found a member of an enum", member.place)


def plain(value: Value, member: Callable[[Member], Any]) -> Any:
    """A written value as plain data. ``member`` gives the value of a member of an enum."""
    match value:
        case Plain(value=simple):
            return simple
        case Member():
            return member(value)
        case Items(items=items):
            return [plain(each, member) for each in items]
        case Entries(entries=entries):
            return {name: plain(each, member) for name, each in entries}
