"""Stubs are modules that callers can use without the worker: complete, typed, formatted, with the same schemas."""

import inspect
import json
import subprocess
import sys
from dataclasses import make_dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy
import pytest
from msgspec import structs

from tests.interface.looking import formatted, imported, of_task, told
from tests.interface.offers import CALLER, judge, write
from tidemill import Clamp, Codec, Directory, StubCalledError, Worker
from tidemill.core.definitions import TaskDefinition
from tidemill.interface.manifest import manifest_of, manifest_of_definitions
from tidemill.interface.stubs import StubError, stub_module, stub_package
from tidemill.interface.writing import differences, write_stubs
from tidemill.sdk.errors import InvalidInputError


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


@pytest.mark.feature("B2")
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


def test_directories_are_ours_values_of_codecs_are_opaque_and_models_are_classes(tmp_path: Path) -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")

    class Grid:
        pass

    class Parcel(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        copies: int

    worker = Worker("kinds", codecs=[Codec(Grid, list[int], lambda _: [], lambda _: Grid())])

    def take(parcel: Any, grid: Any, folders: list[Directory], pixels: Any, width: Annotated[int, Clamp(1, 8)]) -> int:
        return 1

    take.__annotations__ |= {"grid": Grid, "parcel": Parcel, "pixels": numpy.ndarray}
    worker.task(take)
    text = stub_module(manifest_of([worker]))
    stub = of_task(imported(text, tmp_path), "kinds.take")
    assert stub.definition.digest == worker.tasks["kinds.take"].definition.digest
    assert "folders: list[Directory]" in text
    assert "class Parcel:" in text
    assert "width: Annotated[int, Clamp(low=1, high=8)]" in text
    assert 'Grid: TypeAlias = Annotated[Any, "of a codec"]' in text


def test_a_place_that_cannot_be_written_leaves_all_as_it_was(tmp_path: Path) -> None:
    write_stubs([write], tmp_path / "stubs")
    before = {path.name: path.read_text() for path in (tmp_path / "stubs").iterdir()}
    (tmp_path / "stubs" / "judge_it.py").mkdir()
    with pytest.raises(StubError, match="judge_it"):
        write_stubs([judge], tmp_path / "stubs")
    (tmp_path / "stubs" / "judge_it.py").rmdir()
    assert {path.name: path.read_text() for path in (tmp_path / "stubs").iterdir()} == before
