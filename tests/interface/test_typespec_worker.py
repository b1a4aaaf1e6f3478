"""A spec as a worker: its schemas are those of equal Python code, and its tasks go into workflows."""

import contextlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given

from tests.interface.specs import soup, specs
from tidemill import File, Worker, workflow
from tidemill.interface.typespec.parser import parse
from tidemill.interface.typespec.printer import printed
from tidemill.interface.typespec.syntax import SpecError
from tidemill.interface.typespec.worker import read_spec, worker_of
from tidemill.sdk.errors import InvalidInputError
from tidemill.sdk.program import Program, ProgramCalledError, ProgramTask

MEDIA = """
/** Pictures. */
@command("./run")
@concurrency(4)
@pools(#{ gpu: 1 })
namespace media;

enum Color { red, green: "g" }

/** A picture. */
model Photo {
  file: File;
  /** In pixels. */
  @minValue(1) width?: int32 = 256;
  tags: string[] = #[];
  near?: Photo;
}

@portmapping
model Halves {
  left: Photo;
  right: Photo | null;
}

interface Media {
  /** Make it small. */
  @timeout(30) @retries(2) @pool("gpu")
  resize(photo: Photo, width: integer = 256, how: "fast" | "good" = "fast", color: Color = Color.green): File;
  halve(photo: Photo): Halves;
  words(draft: string): Stream<string>;
  when(a: plainDate, b: utcDateTime, c: duration, d: decimal, e: uuid, f: bytes, g: Record<float64[]>): boolean;
  pair(both: [int64, string], either: Photo | Color | null): unknown;
}
"""


def spec(text: str, name: str = "w") -> Worker:
    return worker_of(f'@command("./run") namespace {name};\n{text}', file="w.tsp", folder=Path("/there"))


def test_schemas_and_digests_are_those_of_equal_python_code() -> None:
    @dataclass
    class Point:
        x: float
        label: str | None = None

    class Level(Enum):
        low = 1
        high = 2

    class Split(NamedTuple):
        first: list[Point]
        rest: int

    worker = Worker("w")

    @worker.task
    def move(
        points: list[Point],
        by: dict[str, float],
        how: Literal["fast", "good"] = "fast",
        level: Level = Level.low,
        until: date | None = None,
    ) -> Split: ...

    @worker.task
    def times(a: bytes, b: datetime, c: timedelta) -> None: ...

    @worker.task
    def others(d: Decimal, e: UUID, f: Any, g: tuple[bool, File]) -> None: ...

    declared = spec("""
        model Point { x: float64; label?: string; }
        enum Level { low: 1, high: 2 }
        @portmapping model Split { first: Point[]; rest: integer; }
        op move(points: Array<Point>, by: Record<float64>, how: "fast" | "good" = "fast",
                level: Level = Level.low, until?: plainDate): Split;
        op times(a: bytes, b: utcDateTime, c: duration): void;
        op others(d: decimal, e: uuid, f: unknown, g: [boolean, File]): void;
    """)
    for name, task in worker.tasks.items():
        ours, theirs = declared.tasks[name].definition, task.definition
        assert (ours.inputs, ours.outputs, ours.digest) == (theirs.inputs, theirs.outputs, theirs.digest)
        assert ours.signature == theirs.signature
    assert {d.name: d.digest for d in declared.definitions()} == {d.name: d.digest for d in worker.definitions()}


def test_a_spec_says_all_that_a_worker_announces() -> None:
    worker = worker_of(MEDIA, folder=Path("/there"))
    assert (worker.name, worker.concurrency, worker.pools) == ("media", 4, {"gpu": 1})
    resize, halve, words, _, _ = worker.definitions()
    assert (resize.name, resize.doc, resize.options.timeout_s) == ("media.resize", "Make it small.", 30)
    assert (resize.options.retries, resize.options.pool) == (2, "gpu")
    assert resize.signature == (
        "(photo: Photo, width: int = 256, how: Literal['fast', 'good'] = 'fast', color: Color = <Color.green: 'g'>)"
        " -> File"
    )
    photo = resize.inputs["$defs"]["Photo"]
    assert photo["description"] == "A picture."
    assert photo["properties"]["width"] == {
        "type": "integer", "minimum": 1, "maximum": 2**31 - 1, "default": 256, "description": "In pixels.",
    }  # fmt: skip
    assert photo["required"] == ["file"]
    assert set(halve.outputs) == {"left", "right"}
    assert words.item == {"type": "string"}
    task = worker.tasks["media.resize"]
    assert isinstance(task, ProgramTask)
    assert task.program == Program(("./run",), "/there")


def test_the_tasks_of_a_spec_go_into_workflows() -> None:
    worker = spec(
        "model Draft { text: string; pages: int32; } op write(topic: string): Draft; op print(draft: Draft): File;"
    )
    write, print_ = worker.tasks["w.write"], worker.tasks["w.print"]

    @workflow
    def book(topic: str) -> File:
        return print_(write(topic))

    assert set(book.graph.nodes) == {"write", "print"}
    with pytest.raises(TypeError, match="no parameter 'topik'; did you mean 'topic'"):
        write(topik="x")
    with pytest.raises(InvalidInputError, match="Expected `str`"):
        write.bind((1,), {})
    with pytest.raises(ProgramCalledError, match=r"w\.write is a program that its worker runs; submit it"):
        write("x")


def test_bounds_of_scalars_fields_and_sized_numbers_hold_together() -> None:
    worker = spec(
        "@minValue(1) @maxValue(9) scalar Digit extends uint8;"
        "op a(@maxValue(5) x: Digit, @minItems(1) y: Digit[]): void;"
    )
    properties = worker.definitions()[0].inputs["properties"]
    assert properties["x"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert properties["y"] == {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 9}}


def test_generic_models_are_made_once_per_type() -> None:
    worker = spec("""
        model Pair<T> { first: T; second: T; }
        model Tree<T> { value: T; kids: Tree<T>[]; }
        alias Two<T> = Pair<T> | null;
        op a(x: Pair<int32>, y: Pair<int64>, z: Two<string>, t: Tree<Pair<int32>>): Pair<int32>;
        op same<T>(x: T): T[];
    """)
    a, same = worker.definitions()
    assert set(a.inputs["$defs"]) == {"Pair_int", "Pair_int_2", "Pair_str", "Tree_Pair_int"}
    assert same.inputs["properties"]["x"] == {}


def test_a_model_may_extend_be_or_spread_another() -> None:
    worker = spec("""
        model A { a: string; } model B extends A { b: string; } model C is B; model D { ...C; d?: B; }
        op f(d: D): void;
    """)
    d = worker.definitions()[0].inputs["$defs"]["D"]
    assert list(d["properties"]) == ["a", "b", "d"]


def test_one_interface_without_a_namespace_names_the_worker() -> None:
    text = "model P { x: int }\n interface geo { \n far(a: P, b: P): float\n }"
    worker = worker_of(text, folder=Path(), command=("./main",))
    assert list(worker.tasks) == ["geo.far"]


def test_the_nearest_command_counts() -> None:
    interface = '@command("b", "-v") interface I { y(): void; @command("c") z(): void; }'
    text = f'@command("a") namespace w; op x(): void; {interface}'
    worker = worker_of(text, folder=Path("/f"))
    programs = [task.program for task in worker.tasks.values() if isinstance(task, ProgramTask)]
    assert [each.command for each in programs] == [("a",), ("b", "-v"), ("c",)]


MISTAKES = {
    "op a(x: strin): void;": ("2:9", "there is no type strin; did you mean string?"),
    "op a(x: Foo<int32>): void;": ("2:9", "there is no type Foo"),
    "model A {} model A {} op a(): void;": ("2:18", "A is declared twice"),
    "model File {} op a(): void;": ("2:7", "File is declared although every spec has it"),
    "op a(x: int32, x: int32): void;": ("2:16", "x is there twice"),
    "op a(): void; op a(): void;": ("2:18", "there are two operations a"),
    "op a(from: string): void;": ("2:6", "'from' is a word of Python; callers in Python could not write it"),
    "op `a-b`(): void;": ("2:4", "'a-b' is no name"),
    "op a(x: int32 = \"a\"): void;": ("2:17", "the default of x does not fit its type: Expected `int`, got `str`"),
    "op a(x: uint8 = 300): void;": ("2:17", "the default of x does not fit its type: Expected `int` <= 255"),
    "enum E { a } op a(x: E = E.b): void;": ("2:26", "E has no member b"),
    "op a(x: Array): void;": ("2:9", "Array takes one type: Array<T>"),
    "op a(x: string<int32>): void;": ("2:9", "string takes no types in <…>"),
    "model P<T> { a: T } op a(x: P): void;": ("2:29", "P takes 1 types: P<T>"),
    "op a(x: Stream<string>): void;": ("2:9", "Stream<T> can only be the result of an operation"),
    "@portmapping model O { a: int32 } op a(x: O): void;": ("2:43", "O is a @portmapping: it can only be the result"),
    "@portmapping model O {} op a(): O;": ("2:20", "the portmapping O has no ports"),
    "alias A = A[]; op a(x: A): void;": ("2:11", "A is made of itself without an end"),
    "model A extends A {} op a(x: A): void;": ("2:17", "A is made of itself without an end"),
    "@minValue(3) scalar S extends string; op a(x: S): void;": ("2:21", "these bounds do not fit"),
    "@portmaping model O { a: int32 } op a(): O;": ("2:2", "@portmaping says nothing of the model O; did you mean"),
    "@get op a(): void;": ("2:2", "@get says nothing of the operation a; there is @pool"),
    "@retries(1.5) op a(): void;": ("2:2", "@retries takes a whole number"),
    "@timeout(0) op a(): void;": ("2:16", "timeout is a length of time above zero"),
    '@command() op a(): void;': ("2:2", "@command takes texts"),
    "model X { y: Nothing } op a(): void;": ("2:14", "there is no type Nothing"),
    "enum E { a: 1, b } op a(): void;": ("2:6", "the enum E has texts and numbers; it has one of them"),
    "model X {}": ("1:19", "there is no operation, so the worker has no task"),
    "op a(): 1.5;": ("2:9", "a fraction is no type; write float64"),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_a_spec_that_means_nothing_is_refused_at_its_place(text: str) -> None:
    place, told = MISTAKES[text]
    with pytest.raises(SpecError) as caught:
        spec(text)
    assert str(caught.value).startswith(f"w.tsp:{place}: {told}")


def test_a_spec_without_a_name_or_a_program_says_what_to_write() -> None:
    with pytest.raises(SpecError, match=r"1:1: the worker has no name: begin the spec with namespace NAME;"):
        worker_of("op a(): void;", folder=Path())
    with pytest.raises(SpecError, match=r'no program is named: write @command\("./program"\) before the namespace'):
        worker_of("namespace w; op a(): void;", folder=Path())


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "worker.tsp").write_bytes(b"namespace a;\n// \xff\n")
    with pytest.raises(SpecError, match=r"worker\.tsp:2:1: the text is not in UTF-8"):
        read_spec(tmp_path / "worker.tsp")


@given(specs.map(printed) | soup)
def test_whatever_can_be_read_is_a_worker_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        parse(text)
        worker_of(text, folder=Path("/there"), command=("./run",)).definitions()
