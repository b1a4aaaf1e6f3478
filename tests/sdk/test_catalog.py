"""What is known of tasks without a server: their facts, catalogs, names, and tasks made of any callable."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest

from tidemill import (
    Catalog,
    Context,
    DefinitionError,
    File,
    NotInCatalogError,
    Result,
    StubCalledError,
    UnknownNamespaceError,
    Worker,
    task_named,
    workflow,
)
from tidemill.sdk.worker import tasks_in

media, text = Worker("media"), Worker("text")


class Box(NamedTuple):
    left: int
    top: int


@media.task(retries=2, timeout=9, pool="gpu")
async def thumb(ctx: Context, photo: File, width: int = 256) -> File:
    """Make it small."""
    return photo


@media.task
def corner(photo: File) -> Box:
    return Box(1, 2)


@text.stream
def words(line: str) -> Iterator[str]:
    yield from line.split()


@pytest.mark.feature("A21")
def test_a_task_says_what_it_is_without_a_server() -> None:
    assert (thumb.name, thumb.namespace, thumb.is_async) == ("media.thumb", "media", True)
    assert thumb.signature.text == "(photo: File, width: int = 256) -> File"
    assert repr(thumb) == "<task media.thumb(photo: File, width: int = 256) -> File>"
    assert thumb.input_schema["properties"]["width"] == {"type": "integer", "default": 256}
    assert thumb.input_schema["required"] == ["photo"]
    assert list(corner.output_schemas) == ["left", "top"]
    assert corner.output_schemas["left"] == {"type": "integer"}
    assert corner.stream_schema is None
    assert (words.is_async, words.stream_schema) == (False, {"type": "string"})
    assert words.output_schemas == {"value": {"type": "array", "items": {"type": "string"}}}
    assert repr(words) == "<task text.words(line: str) -> Iterator[str]>"
    options = thumb.task_options
    assert (options.retries, options.timeout_s, options.pool) == (2, 9, "gpu")


def test_a_task_whose_types_come_later_is_shown_by_name() -> None:
    later = Worker("later")

    @later.task
    def soon(it: "NotYet") -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1

    assert repr(soon) == "<task later.soon>"


def test_a_catalog_lists_namespaces_and_tasks_and_finds_one() -> None:
    catalog = Catalog(media, text)
    assert catalog.namespaces == ("media", "text")
    assert catalog.tasks() == (corner, thumb, words)
    assert catalog.tasks("text") == (words,)
    assert catalog.find("media.thumb") is thumb
    assert "text.words" in catalog
    assert "text.word" not in catalog
    assert "no.word" not in catalog
    with pytest.raises(UnknownNamespaceError, match=r"there is no worker medai; did you mean media\?") as namespace:
        catalog.find("medai.thumb")
    assert namespace.value.nearest == ("media",)
    with pytest.raises(NotInCatalogError, match=r"media has no task thum; did you mean media\.thumb\?") as task:
        catalog.find("media.thum")
    assert task.value.nearest == ("media.thumb",)
    with pytest.raises(UnknownNamespaceError, match="there is media, text"):
        catalog.tasks("xyz")
    with pytest.raises(DefinitionError, match=r"write namespace\.name"):
        catalog.find("thumb")


def test_two_tasks_of_one_name_are_refused() -> None:
    other = Worker("media")
    other.add(len_of, name="thumb")
    with pytest.raises(DefinitionError, match=r"two workers of this process declare media\.thumb"):
        Catalog(media, other)
    with pytest.raises(DefinitionError, match=r"two workers of this process declare media\.thumb"):
        tasks_in([media, other])
    with pytest.raises(DefinitionError, match=r"media\.thumb is declared twice"):
        other.add(len_of, name="thumb")
    other = Worker("media")
    other.add(len_of)
    assert Catalog(media, other).tasks("media") == (corner, other.tasks["media.len_of"], thumb)


def len_of(line: str) -> int:
    """How long."""
    return len(line)


class Scale:
    """Multiplies."""

    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, x: int, plus: int = 0) -> int:
        return self.by * x + plus

    async def slowly(self, x: int) -> int:
        return self.by * x

    @staticmethod
    def halve(x: int) -> float:
        return x / 2


class Later:
    async def __call__(self, x: int) -> Result[int]:
        return Result(data=x)


def power(base: int, exponent: int, offset: int = 0) -> int:
    """Raise."""
    return int(base**exponent) + offset


def count(upto: int) -> Iterator[int]:
    yield from range(upto)


async def acount(upto: int) -> AsyncIterator[int]:
    for each in range(upto):
        yield each


@pytest.mark.feature("A22")
def test_any_callable_becomes_a_task() -> None:
    mill = Worker("mill")
    double = Scale(2)
    cases: list[tuple[Any, tuple[Any, ...], Any, str]] = [
        (mill.add(len_of), ("abc",), 3, "mill.len_of(line: str) -> int"),
        (mill.add(len_of, name="length", retries=1), ("abc",), 3, "mill.length(line: str) -> int"),
        (mill.add(double, name="double"), (4,), 8, "mill.double(x: int, plus: int = 0) -> int"),
        (mill.add(double.slowly), (4,), 8, "mill.slowly(x: int) -> int"),
        (mill.add(Scale.halve), (4,), 2.0, "mill.halve(x: int) -> float"),
        (mill.add(Later(), name="later"), (4,), 4, "mill.later(x: int) -> int"),
        (mill.add(functools.partial(power, 2)), (5,), 32, "mill.power(exponent: int, offset: int = 0) -> int"),
        (
            mill.add(functools.partial(power, exponent=2), name="square"),
            (5,),
            25,
            "mill.square(base: int, offset: int = 0) -> int",
        ),
        (mill.add(functools.partial(Scale(3), plus=1), name="triple"), (2,), 7, "mill.triple(x: int) -> int"),
        (mill.add(Box), (1, 2), Box(1, 2), "mill.Box(left: int, top: int) -> Box"),
        (mill.add(count), (3,), [0, 1, 2], "mill.count(upto: int) -> Iterator[int]"),
        (mill.add(acount), (2,), [0, 1], "mill.acount(upto: int) -> Iterator[int]"),
    ]
    for task, given, result, told in cases:
        assert task(*given) == result
        assert repr(task) == f"<task {told}>"
    assert mill.tasks["mill.length"].task_options.retries == 1
    assert mill.tasks["mill.power"].definition.doc == "Raise."
    assert mill.tasks["mill.double"].definition.doc == "Multiplies."
    with pytest.raises(DefinitionError, match="has no name of its own"):
        mill.add(Scale(3))
    with pytest.raises(DefinitionError, match="is no function"):
        mill.add(thumb)
    with pytest.raises(DefinitionError, match="no type; annotate it"):
        mill.add(lambda x: x, name="untyped")


def test_a_workflow_may_use_a_name_alone() -> None:
    far = task_named("media.thumb", File)

    @workflow
    def small(photo: File) -> File:
        return far.options(name="again")(photo=far(photo=photo, width=9), width=3)

    nodes = small.graph.nodes
    assert [(node.task, node.schema, sorted(node.inputs)) for node in nodes.values()] == [  # type: ignore[union-attr]
        ("media.thumb", "", ["photo", "width"])
    ] * 2
    with pytest.raises(StubCalledError, match=r"media\.thumb lives on its worker"):
        far(photo=1)
    with pytest.raises(TypeError, match="takes 0 arguments by position"):
        far(1)
    with pytest.raises(DefinitionError, match=r"write namespace\.name"):
        task_named("thumb")
