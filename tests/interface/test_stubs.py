"""Stubs are modules that callers can use without the worker: complete, typed, formatted, with the same schemas."""

import enum
import importlib.util
import inspect
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import make_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.interface.offers import CALLER, judge, write
from tidemill import Directory, File, StubCalledError, Worker
from tidemill.core.definitions import TaskDefinition, undescribed
from tidemill.core.graph import Schema
from tidemill.interface.manifest import manifest_of, manifest_of_definitions
from tidemill.interface.stubs import StubError, stub_module, stub_package
from tidemill.interface.writing import differences, write_stubs
from tidemill.sdk.errors import InvalidInputError

_numbers = itertools.count()


def imported(text: str, folder: Path) -> ModuleType:
    path = folder / f"written_{next(_numbers)}.py"
    path.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_task(module: ModuleType, name: str) -> Any:
    (found,) = [each for each in vars(module).values() if getattr(each, "kind", "") == "task" and each.name == name]
    return found


def expanded(schema: Any, defs: dict[str, Schema], trail: tuple[str, ...] = ()) -> Any:
    """A schema without names of its own, to be compared."""
    match schema:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            title = defs[name].get("title", "")
            aside = {key: each for key, each in schema.items() if key == "default"}
            return {"back": title} if title in trail else aside | expanded(defs[name], defs, (*trail, title))
        case dict():
            kept = {key: each for key, each in schema.items() if key not in ("$defs", "discriminator")}
            return {key: expanded(each, defs, trail) for key, each in kept.items()}
        case list():
            return [expanded(each, defs, trail) for each in schema]
        case _:
            return schema


def told(task: Any) -> Any:
    """All that the schemas of a task say."""
    own = task.definition
    schemas = {"in": own.inputs, "item": own.item or {}, **{f"out {port}": each for port, each in own.outputs.items()}}
    return {name: undescribed(expanded(each, each.get("$defs", {}))) for name, each in schemas.items()}


def formatted(text: str) -> str:
    options = ("--isolated", "--line-length", "120", "--target-version", "py311")
    command = [sys.executable, "-m", "ruff", "format", *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("callers")
    write_stubs([write, judge], folder / "stubs")
    (folder / "caller.py").write_text(CALLER)
    return folder


MARKED = {number for number, line in enumerate(CALLER.splitlines(), 1) if line.endswith("# E")}


def test_mypy_takes_right_edges_between_workers_and_refuses_wrong_ones(package: Path, tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = true\npython_version = 3.11\nmypy_path = {Path('src').resolve()}:{package}\n"
        "[mypy-tidemill.*]\nfollow_imports = silent\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [*command, "--output", "json", "caller.py", "stubs"], cwd=package, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    errors = {(each["file"], each["line"]) for each in found if each["severity"] == "error"}
    assert errors == {("caller.py", line) for line in MARKED}, done.stdout


def test_pyright_takes_right_edges_between_workers_and_refuses_wrong_ones(package: Path) -> None:
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": [str(Path("src").resolve()), "."]}
    (package / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in found}
    assert errors == {("caller.py", line) for line in MARKED}, json.dumps(found, indent=1)


def test_a_package_is_imported_without_the_workers_and_its_workflows_are_traced(package: Path) -> None:
    program = (
        "import sys, caller; names = [w.compiled.digest for w in (caller.article, caller.lengths, caller.spoken)];"
        "assert not [m for m in sys.modules if m.startswith('tests')]; print(*names)"
    )
    search = f"{Path('src').resolve()}:{package}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=package,
        env={"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("sha256:") == 3, done.stderr


def test_stubs_are_as_ruff_leaves_them() -> None:
    texts = [*stub_package(manifest_of([write, judge])).items(), ("one.py", stub_module(manifest_of([write, judge])))]
    for name, text in texts:
        if name.endswith(".py"):
            assert formatted(text) == text


def test_stubs_have_the_schemas_and_digests_of_their_tasks(tmp_path: Path) -> None:
    module = imported(stub_module(manifest_of([write, judge])), tmp_path)
    for task in [*write.tasks.values(), *judge.tasks.values()]:
        stub = of_task(module, task.name)
        assert stub.definition.digest == task.definition.digest
        assert told(stub) == told(task), task.name
        assert stub.definition.doc == inspect.cleandoc(task.definition.doc)


def test_a_stub_has_no_body(tmp_path: Path) -> None:
    module = imported(stub_module(manifest_of([judge])), tmp_path)
    with pytest.raises(StubCalledError, match=r"judge-it\.nothing"):
        module.nothing()


def test_a_type_of_two_workers_is_one_class() -> None:
    files = stub_package(manifest_of([write, judge]))
    assert files["types.py"].count("class Draft") == 1
    assert "class Draft" not in files["write.py"] + files["judge_it.py"]


def test_two_types_of_one_name_are_two_classes(tmp_path: Path) -> None:
    def worker_with(name: str, **fields: type) -> Worker:
        kind = make_dataclass("Draft", fields.items())
        worker = Worker(name)

        def take(draft: Any) -> int:
            return 1

        take.__annotations__["draft"] = kind
        worker.task(take)
        return worker

    module = imported(stub_module(manifest_of([worker_with("a", x=int), worker_with("b", x=str)])), tmp_path)
    assert of_task(module, "a.take").definition.inputs["$defs"]["Draft"]["properties"] == {"x": {"type": "integer"}}
    assert set(of_task(module, "b.take").definition.inputs["$defs"]) == {"Draft_"}


def test_stubs_are_the_same_whatever_the_order_of_workers() -> None:
    assert stub_package(manifest_of([write, judge])) == stub_package(manifest_of([judge, write]))


def test_a_wrong_argument_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    module = imported(stub_module(manifest_of([write, judge])), tmp_path)
    with pytest.raises(InvalidInputError, match=r"\$.pages"):
        module.shorten.bind((module.Draft("a"), module.Verdict(1.0, "b")), {"pages": "four"})


def test_what_only_a_codec_reads_is_an_alias_of_anything(tmp_path: Path) -> None:
    arrays = Worker("arrays")

    @arrays.task
    def turned(image: numpy.ndarray[Any, Any], folder: Directory) -> list[numpy.ndarray[Any, Any]]:
        return [image]

    text = stub_module(manifest_of([arrays]))
    assert "def turned(image: Ndarray, folder: Directory) -> list[Ndarray]:" in text
    assert "numpy" not in text
    assert imported(text, tmp_path).turned.definition.digest == turned.definition.digest
    assert formatted(text) == text


# A worker in another language announces what Python would not.
FOREIGN = TaskDefinition(
    name="far.do it",
    inputs={
        "type": "object",
        "properties": {
            "anything": {},
            "from": {"type": "string"},
            "in-x": {"type": "object", "properties": {"class": {"type": "integer"}, "é.b": {}}, "required": ["class"]},
            "later": {"type": ["integer", "null"]},
            "last": {"type": "string", "enum": ["a", "b"]},
        },
        "required": ["anything", "from", "in-x", "last"],
    },
    outputs={"value": {"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}},
    digest="sha256:" + "0" * 64,
)


def test_names_that_python_does_not_allow_keep_their_own_on_the_wire(tmp_path: Path) -> None:
    text = stub_module(manifest_of_definitions([FOREIGN]))
    module = imported(text, tmp_path)
    sent = module.do_it.bind((1,), {"from_": "here", "in_x": module.DoItInX(class_=5), "last": "a"})
    assert sorted(sent) == ["anything", "from", "in-x", "last"]
    assert msgspec.msgpack.decode(sent["in-x"].data) == {"class": 5}
    with pytest.raises(InvalidInputError, match=r"\$\.in-x"):
        module.do_it.bind((1,), {"from_": "here", "in_x": {"class": "five"}, "last": "a"})
    assert formatted(text) == text


def test_an_output_whose_name_is_no_field_is_refused_with_its_task() -> None:
    wrong = structs.replace(FOREIGN, outputs={"_x": {}, "y": {}})
    with pytest.raises(StubError, match=r"far\.do it has an output '_x'"):
        stub_module(manifest_of_definitions([wrong]))


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


# On disk --------------------------------------------------------------------------------------------


def test_what_is_current_is_not_written_again(tmp_path: Path) -> None:
    write_stubs([write], tmp_path / "stubs")
    assert differences(manifest_of([write]), tmp_path / "stubs") == []
    assert [each.what for each in differences(manifest_of([judge]), tmp_path / "stubs")] == [
        "changed",
        "changed",
        "missing",
        "changed",
        "left over",
    ]


def test_a_worker_that_is_gone_is_taken_away(tmp_path: Path) -> None:
    write_stubs([write, judge], tmp_path / "stubs")
    write_stubs([judge], tmp_path / "stubs")
    assert sorted(path.name for path in (tmp_path / "stubs").iterdir()) == [
        "__init__.py",
        "judge_it.py",
        "manifest.json",
        "types.py",
    ]
