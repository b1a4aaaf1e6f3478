"""Declaring tasks: names, forms, schemas, and what is refused at import."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import jsonschema_rs
import msgspec
import pytest

import tidemill
from tidemill import Context, DefinitionError, File, Result, StubCalledError, Task, TaskFiles, Worker, injected, stub


@dataclass
class Draft:
    topic: str
    pages: int = 1


class Box(NamedTuple):
    left: int
    top: Draft


class Note(TypedDict):
    text: str


class Point(msgspec.Struct):
    x: int


media = Worker("media")


@media.task
def thumb(ctx: Context, photo: File, width: int = 256, *, files: TaskFiles = injected) -> File:
    """Make a smaller picture."""
    return photo


@media.task()
async def caption(topic: str, drafts: list[Draft] | None = None) -> Box:
    return Box(len(topic), (drafts or [Draft("none")])[0])


@media.task("cut", retries=2, timeout=timedelta(minutes=1), pool="gpu", statuses=["short"])
def shorten(draft: Draft) -> Result[Draft]:
    return Result(status="short", data=Draft(draft.topic, 0))


@media.stream
def words(draft: Draft) -> Iterator[str]:
    yield from draft.topic.split()


@media.stream
async def letters(ctx: Context, word: str) -> AsyncIterator[str]:
    for letter in word:
        yield letter


@pytest.mark.feature("A1")
def test_a_task_is_named_after_its_worker_and_function() -> None:
    assert list(media.tasks) == ["media.thumb", "media.caption", "media.cut", "media.words", "media.letters"]
    assert [each.name for each in media.definitions()] == list(media.tasks)


@pytest.mark.feature("A1")
def test_outside_a_workflow_a_task_just_runs(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    assert thumb(File(tmp_path / "a.png")).read() == b"a"
    assert caption("cats") == Box(4, Draft("none"))
    assert shorten(Draft("a", 9)) == Draft("a", 0)
    assert words(Draft("a b")) == ["a", "b"]
    assert letters(word="ab") == ["a", "b"]


@pytest.mark.feature("A1")
async def test_an_async_task_called_in_a_loop_says_what_to_await() -> None:
    with pytest.raises(RuntimeError, match=r"await caption\.fn\(…\) instead"):
        caption("cats")
    assert await caption.fn("cats") == Box(4, Draft("none"))
    assert await asyncio.to_thread(caption, "cats") == Box(4, Draft("none"))


def test_what_a_task_saves_outside_a_workflow_can_be_read() -> None:
    worker = Worker("w")

    @worker.task
    def save(ctx: Context, *, files: TaskFiles = injected) -> list[File]:
        path = files.write("part/b.txt", "bb")
        first = ctx.save_bytes("a.txt", b"a")
        with pytest.raises(FileExistsError, match=r"'a\.txt' is taken"):
            ctx.save_file("a.txt", path)
        return [first, ctx.replace_file("a.txt", path), ctx.save_file("b.txt", path)]

    assert [each.name for each in save()] == ["a.txt", "a.txt", "b.txt"]
    assert save()[2].read_text() == "bb"


def test_options_go_with_the_definition() -> None:
    options = shorten.definition.options
    assert (options.retries, options.timeout_s, options.pool, shorten.definition.statuses) == (
        2,
        60.0,
        "gpu",
        ("short",),
    )
    other = thumb.options(name="small", retries=0, timeout=5)
    assert (other.node_name, other.node_options.timeout_s, thumb.node_name) == ("small", 5, "thumb")
    for wrong in ({"timeout": 0}, {"timeout": timedelta(0)}, {"retries": -1}):
        with pytest.raises(ValueError, match=r"above zero|from 0"):
            media.task("wrong", **wrong)(lambda: None)
    with pytest.raises(TypeError, match="no option 'gpu'; the options are"):
        thumb.options(gpu=1)  # type: ignore[call-arg]


@pytest.mark.feature("B1")
def test_schemas_come_from_the_signature() -> None:
    definition = caption.definition
    assert definition.inputs["required"] == ["topic"]
    assert definition.inputs["additionalProperties"] is False
    assert definition.inputs["properties"]["drafts"]["default"] is None
    assert set(definition.outputs) == {"left", "top"}
    assert definition.outputs["top"]["$defs"]["Draft"]["required"] == ["topic"]
    assert words.definition.item == {"type": "string"}
    assert words.definition.outputs == {"value": {"type": "array", "items": {"type": "string"}}}
    assert thumb.definition.doc == "Make a smaller picture."
    good, bad = {"topic": "a", "drafts": [{"topic": "b"}]}, {"topic": "a", "drafts": [{"topic": "b", "pagse": 2}]}
    jsonschema_rs.validate(definition.inputs, good)
    assert not jsonschema_rs.is_valid(definition.inputs, bad)


def test_a_signature_is_told_as_its_callers_see_it() -> None:
    told = [task.definition.signature for task in (thumb, caption, shorten, letters)]
    assert told == [
        "(photo: File, width: int = 256) -> File",
        "(topic: str, drafts: list[Draft] | None = None) -> Box",
        "(draft: Draft) -> Draft",
        "(word: str) -> Iterator[str]",
    ]


@pytest.mark.feature("B1")
def test_any_types_and_bare_containers_have_schemas() -> None:
    def odd(path: Path, data: Any, bare: dict, more: list, few: Annotated[int, msgspec.Meta(gt=0)]) -> Any: ...  # type: ignore[type-arg]

    worker = Worker("w")
    properties = worker.task(odd).definition.inputs["properties"]
    assert properties == {
        "path": {"type": "string", "format": "path"},
        "data": {},
        "bare": {"type": "object"},
        "more": {"type": "array"},
        "few": {"type": "integer", "exclusiveMinimum": 0},
    }


@pytest.mark.feature("B1")
def test_the_digest_tells_schemas_apart_and_nothing_else() -> None:
    def declared(body: Callable[..., Any]) -> str:
        return Worker("w").task("t")(body).definition.digest

    def one(a: int) -> int:
        """Told one way."""
        return a

    def two(a: int) -> int:
        """Told another way."""
        return a + 1

    def three(a: int = 1) -> int:
        return a

    assert declared(one) == declared(two) != declared(three)
    assert declared(one).startswith("sha256:")


def test_one_record_parameter_may_be_sent_bare() -> None:
    def declared(kind: Any) -> str:
        def body(only: Any = None, /) -> None: ...

        def task(only: str) -> None: ...

        task.__annotations__["only"] = kind
        return Worker("w").task(task).definition.record

    assert [declared(kind) for kind in (Draft, Note, Point, dict, dict[str, int])] == ["only"] * 5
    assert [declared(kind) for kind in (int, Box, list[Draft], Draft | None, File)] == [""] * 5
    assert caption.definition.record == ""


def test_a_type_that_is_defined_further_down_is_found_at_first_use() -> None:
    worker = Worker("w")

    @worker.task
    def late(x: Late) -> Late:
        return x

    assert late.definition.inputs["$defs"]["Late"]["required"] == ["a"]


@dataclass
class Late:
    a: int


def test_a_type_that_is_never_defined_is_refused_when_announced() -> None:
    worker = Worker("w")

    @worker.task
    def late(x: Never_defined) -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1

    with pytest.raises(DefinitionError, match=r"task w\.late: name 'Never_defined' is not defined"):
        worker.definitions()


REFUSED = {
    "def f(*a: int) -> int: ...": r"\*a is not allowed; use one parameter, a: list",
    "def f(**a: int) -> int: ...": r"\*\*a is not allowed; use one parameter, a: dict",
    "def f(a: int, /) -> int: ...": "inputs go by name",
    "def f(a) -> int: ...": "parameter a has no type",
    "def f(a: int): ...": "its result has no type; annotate it",
    "def f(a: Any) -> int: ...": "parameter a comes first and may be anything",
    "def f(a: object) -> int: ...": "parameter a comes first and may be anything",
    "def f(a: int, b: complex) -> int: ...": "parameter b: complex cannot be sent; use a tuple of two floats",
    "def f(a: int) -> Callable[[int], int]: ...": "its result: Callable.* cannot be sent; use a task",
    "def f(a: int, ctx: Context) -> int: ...": "parameter ctx is the Context, which comes first",
    "def f(a: int, files: TaskFiles) -> int: ...": r"write `\*, files: TaskFiles = injected`",
    "def f(a: int, *, b: int = injected) -> int: ...": "parameter b is no injected type",
    "def f(a: int = 'x') -> int: ...": "a default does not fit its type",
    "def f(a: int) -> Iterator[int]: yield a": "it is a generator; use @worker.stream",
    "def f(a: T) -> int: ...": "parameter a: T cannot be sent; use a type: a generic function has no schema",
    "def f(a: Missing.Type) -> int: ...": "Missing",
}


@pytest.mark.feature("A1", "B1")
@pytest.mark.parametrize(("source", "message"), REFUSED.items())
def test_a_signature_that_cannot_be_served_is_refused(source: str, message: str) -> None:
    names: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\nfrom typing import *\nfrom tidemill import Context, TaskFiles, injected\n",
        names,
    )
    exec("T = TypeVar('T')\n" + source, names)
    with pytest.raises(DefinitionError, match=message) as caught:
        _ = Worker("w").task(names["f"]).definition
    assert str(caught.value).startswith("task w.f: ")


@pytest.mark.parametrize("source", ["def f() -> int: ...", "async def f() -> Iterator[int]: ...", "def f(): yield 1"])
def test_a_stream_that_is_none_is_refused(source: str) -> None:
    names: dict[str, Any] = {"Iterator": Iterator}
    exec(source, names)
    with pytest.raises(DefinitionError, match="a stream is a generator"):
        Worker("w").stream(names["f"])


def test_two_tasks_of_one_name_are_refused() -> None:
    worker = Worker("w")
    worker.task(thumb.fn)
    with pytest.raises(DefinitionError, match=r'w\.thumb is declared twice; give one of them a name: @w\.task\("…"\)'):
        worker.task(thumb.fn)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "1a", "a[0]", "a.b"])
def test_names_that_no_path_can_hold_are_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="is no name for a worker"):
        Worker(name)


def test_wrong_arguments_are_told_apart() -> None:
    with pytest.raises(TypeError, match="needs 'photo' too"):
        thumb.bind((), {})
    with pytest.raises(TypeError, match="takes 2 arguments by position, got 3"):
        thumb.bind((1, 2, 3), {})
    with pytest.raises(TypeError, match="no parameter 'widht'; did you mean 'width'"):
        thumb.bind((), {"widht": 3})
    with pytest.raises(TypeError, match="got 'photo' twice"):
        thumb.bind((1,), {"photo": 2})
    for name in ("ctx", "files"):
        with pytest.raises(TypeError, match=f"is given '{name}' by its worker; callers leave it out"):
            thumb.bind((), {name: 1})


def test_each_value_that_does_not_fit_is_told_with_its_path() -> None:
    with pytest.raises(tidemill.InvalidInputError) as caught:
        caption.bind((3,), {"drafts": [Draft("a"), Draft("b", "c")]})  # type: ignore[arg-type]
    assert caught.value.violations == (
        ("$.topic", "Expected `str`, got `int`"),
        ("$.drafts[1].pages", "Expected `int`, got `str`"),
    )


def test_a_stub_is_a_task_without_a_body() -> None:
    @stub("other.judge", schema="sha256:11")
    def judge(draft: Draft) -> int:
        raise StubCalledError("other.judge")

    assert isinstance(judge, Task)
    assert not hasattr(judge, "fn")
    assert (judge.definition.name, judge.definition.digest) == ("other.judge", "sha256:11")
    with pytest.raises(StubCalledError, match=r"other\.judge lives on its worker"):
        judge(Draft("a"))


@pytest.mark.parametrize(
    ("used", "unwanted"),
    [
        ("tidemill", "msgspec inspect dataclasses pathlib asyncio pydantic"),
        (
            "tidemill.Worker, tidemill.workflow, tidemill.Batch, tidemill.Depends, tidemill.File",
            "asyncio ssl socket selectors concurrent threading logging tempfile subprocess shutil numpy pydantic",
        ),
        ("tidemill.Worker", "aiohttp click rich tidemill.client tidemill.worker tidemill.engine tidemill.adapters"),
    ],
)
def test_importing_the_package_and_what_tasks_are_written_with_loads_little(used: str, unwanted: str) -> None:
    code = f"import sys; before = set(sys.modules); import tidemill; {used}; print(*set(sys.modules) - before)"
    source = str(Path(tidemill.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "tidemill" in loaded
    assert loaded.isdisjoint(unwanted.split())


def test_the_package_exports_what_it_says() -> None:
    assert set(tidemill.__all__) >= {"Worker", "workflow", "map_over", "Client", "AsyncClient"}
    for name in set(tidemill.__all__) - {"Client", "AsyncClient"}:
        assert getattr(tidemill, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'wrok'"):
        _ = tidemill.wrok  # type: ignore[attr-defined]


class Custom:
    """Nothing that could be sent."""


UNSENDABLE: dict[Any, str] = {
    set[list[int]]: r"a set of list\[int\] cannot be: its items must be hashable; use list",
    set[Draft]: "a set of Draft cannot be: its items must be hashable",
    dict[tuple[int, int], str]: r"cannot be sent; use list\[tuple\[tuple\[int, int\], str\]\]; keys are texts, numbers",
    dict[bytes, int]: r"cannot be sent; use list\[tuple\[bytes, int\]\]",
    dict[Path, int]: r"use list\[tuple\[Path, int\]\]",
    dict[bool, int]: r"use list\[tuple\[bool, int\]\]",
    dict[int | str, int]: r"use list\[tuple\[int \| str, int\]\]",
    deque[int]: r"deque\[int\] cannot be sent; use list\[…\]",
    OrderedDict[str, int]: "use dict.* which keeps its order",
    Fraction: "use Decimal, or a tuple of two ints",
    Sequence: r"use list, or Sequence\[…\]",
    Exception: "use its text, a str",
    Literal[1.5]: "use Literal of texts, whole numbers, True, False or None; or an Enum",
    Custom: r"use a dataclass, .* or Annotated\[Custom, Codec\(Custom, …\)\]",
    dict[str, list[Custom | None]]: r"Custom cannot be sent; use a dataclass, .*Codec\(Custom, …\)\]",
}


@pytest.mark.feature("B1")
@pytest.mark.parametrize(("kind", "said"), UNSENDABLE.items(), ids=str)
def test_a_type_that_cannot_be_sent_is_refused_at_import_with_what_to_use(kind: Any, said: str) -> None:
    def save(first: int, second: str) -> None: ...

    save.__annotations__["second"] = kind
    with pytest.raises(DefinitionError, match=r"^task w\.save: parameter second: .*" + said):
        Worker("w").task(save)
