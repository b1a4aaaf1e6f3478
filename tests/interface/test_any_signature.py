"""Stubs of signatures that nobody thought of."""

import enum
import inspect
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import make_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interface.looking import imported, of_task, told
from tidemill import File, Worker
from tidemill.interface.manifest import manifest_of
from tidemill.interface.stubs import stub_module

_numbers = itertools.count()
# Any signature --------------------------------------------------------------------------------------


class Tint(enum.Enum):
    LIGHT = "light"
    DARK = "very dark"
    DARK_2 = "very-dark"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 2


class Corner(NamedTuple):
    x: int
    y: float = 0.5


NAMES = [
    "x",
    "width",
    "date",
    "list",
    "int",
    "str",
    "File",
    "Any",
    "stub",
    "field",
    "unset",
    "self",
    "_x",
    "größe",
    "match",
]
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**31), 2**31)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (str, st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    (bytes, st.binary(max_size=5)),
    (date, st.dates()),
    (timedelta, st.timedeltas(timedelta(days=-9), timedelta(days=9))),
    (UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (Path, st.just(Path("a/b"))),
    (Tint, st.sampled_from(Tint)),
    (Level, st.sampled_from(Level)),
    (Literal["a", 'b"', 3] | None, st.sampled_from(["a", 'b"', 3, None])),
    (Annotated[int, msgspec.Meta(ge=0, lt=99)], st.integers(0, 98)),
    (Annotated[str, msgspec.Meta(pattern='^"a\\d', max_length=9)], st.just('"a1')),
    (Corner, st.builds(Corner, st.integers(0, 9), st.just(1.5))),
]
WITHOUT_DEFAULTS: list[Any] = [datetime, File, Any]

Kind = tuple[Any, st.SearchStrategy[Any] | None]


def wider(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    def of(make: Any) -> Any:
        return lambda kind: (make(kind[0]), None)

    return st.one_of(
        inner.map(lambda kind: (list[kind[0]], None if kind[1] is None else st.lists(kind[1], max_size=2))),
        inner.map(lambda kind: (kind[0] | None if kind[0] is not Any else Any, kind[1])),
        inner.map(of(lambda kind: dict[str, kind])),
        st.tuples(inner, inner).map(lambda two: (tuple[two[0][0], two[1][0]], None)),
        st.lists(st.tuples(st.sampled_from(NAMES), inner), unique_by=lambda each: each[0], max_size=3).map(record),
    )


def record(fields: list[tuple[str, Kind]]) -> Kind:
    kind = make_dataclass(f"Record{next(_numbers) % 7}", [(name, each[0]) for name, each in fields], frozen=True)
    return kind, None


KINDS: st.SearchStrategy[Kind] = st.recursive(
    st.sampled_from([*SCALARS, *((kind, None) for kind in WITHOUT_DEFAULTS)]), wider, max_leaves=5
)


@st.composite
def functions(draw: st.DrawFn) -> Any:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    by_name = draw(st.integers(0, 4))
    parameters, annotations, has_default = [], {}, False
    for place, name in enumerate(names):
        kind, values = draw(KINDS)
        kind = int if kind is Any and place == 0 else kind
        is_by_name = place >= by_name
        default = inspect.Parameter.empty
        if kind is not Any and values is not None and draw(st.booleans()):
            default, has_default = draw(values), True
        elif has_default and not is_by_name:
            by_name, is_by_name = place, True
        how = inspect.Parameter.KEYWORD_ONLY if is_by_name else inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(name, how, default=default, annotation=kind))
        annotations[name] = kind
    is_stream = draw(st.booleans())
    result = draw(KINDS)[0]
    annotations["return"] = Iterator[result] if is_stream else result

    def body() -> Any: ...
    def items() -> Any:
        yield

    made: Any = items if is_stream else body
    made.__annotations__ = annotations
    made.__signature__ = inspect.Signature(parameters)
    made.__doc__ = draw(st.none() | st.text(st.sampled_from("ab \"\\\n\t'é"), max_size=30))
    return made, is_stream


TASK_NAMES = ["run", "list", "File", "class", "a-b", "types", "Tint", "str", "Record1"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(tasks=st.lists(st.tuples(st.sampled_from(TASK_NAMES), functions()), unique_by=lambda each: each[0], max_size=3))
def check_stubs(folder: Path, tasks: list[tuple[str, Any]]) -> None:
    worker = Worker("any")
    for name, (made, is_stream) in tasks:
        (worker.stream if is_stream else worker.task)(name)(made)
    text = stub_module(manifest_of([worker]))
    module = imported(text, folder)
    for task in worker.tasks.values():
        stub = of_task(module, task.name)
        theirs, ours = told(task), told(stub)
        assert untitled(ours) == untitled(theirs), text
        assert stub.definition.digest == task.definition.digest


def test_stubs_of_any_signature_are_importable_formatted_and_of_the_same_schemas(tmp_path: Path) -> None:
    check_stubs(tmp_path)
    options = ("--isolated", "--line-length", "120", "--target-version", "py311", "--diff")
    command = [sys.executable, "-m", "ruff", "format", *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def untitled(schema: Any) -> Any:
    """Without the names of classes: two records of one name get two, and a NamedTuple's items have no names."""
    match schema:
        case dict():
            return {key: untitled(each) for key, each in schema.items() if key not in ("title", "back")}
        case list():
            return [untitled(each) for each in schema]
        case _:
            return schema
