"""Classes of the user's own travel by a codec: in a signature, or for all tasks of a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import jsonschema_rs
import msgspec
import pytest

from tidemill import Codec, DefinitionError, File, PickleCodec, Worker, workflow
from tidemill.core.run import Code, Failure
from tidemill.core.values import Encoding, Given, Inline
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.testing.local import local


class Matrix:
    """No wire form of its own."""

    def __init__(self, rows: list[list[float]]) -> None:
        if len({len(row) for row in rows}) > 1:
            raise ValueError("rows of a matrix are of one length")
        self.rows = rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matrix) and self.rows == other.rows

    def __hash__(self) -> int:
        return len(self.rows)


class Square(Matrix):
    pass


class Mood:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mood) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]


rows_of = Codec(Matrix, list[list[float]], lambda matrix: matrix.rows, Matrix)
Sent = Annotated[Matrix, rows_of]


@dataclass
class Model:
    name: str
    weights: Sent
    layers: dict[str, Sent] = field(default_factory=dict)
    parent: Model | None = None


class Pair(NamedTuple):
    left: Sent
    right: int


def both_ways(plan: TypePlan, value: Any) -> Any:
    """The value after msgpack; by JSON it must be the same, and meet the schema."""
    plain = plan.plain(value)
    jsonschema_rs.validate(plan.schema, plain)
    decoded = plan.decode(Given(plan.encode(value).inline))
    assert plan.decode(Given(Inline(msgspec.json.encode(plain), Encoding.JSON))) == decoded
    return decoded


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Sent, Matrix([[1, 2], [3, 4]])),
        (list[Sent | None], [Matrix([[1]]), None]),
        (dict[str, Sent], {"a": Matrix([])}),
        (Model, Model("a", Matrix([[1.5]]), {"b": Matrix([[2]])}, Model("c", Matrix([])))),
        (Pair, Pair(Matrix([[1]]), 2)),
        (Sent | str, Matrix([[1]])),
        (Sent | str, "no matrix"),
    ],
)
@pytest.mark.feature("B1")
def test_a_class_with_a_codec_comes_back_wherever_it_is(kind: Any, value: Any) -> None:
    assert both_ways(plan_of(kind), value) == value


def test_a_subclass_is_taken_and_its_wire_form_may_hold_dates_and_files(tmp_path: Any) -> None:
    assert both_ways(plan_of(Sent), Square([[1]])) == Matrix([[1]])
    (tmp_path / "a.txt").write_bytes(b"cat")
    by_file = Codec(
        Mood, dict[str, File], lambda mood: {"in": File(tmp_path / mood.text)}, lambda at: Mood(at["in"].name)
    )
    encoded = plan_of(Annotated[Mood, by_file]).encode(Mood("a.txt"))
    assert [local.size for local in encoded.local] == [3]
    assert plan_of(Annotated[Mood, by_file]).decode(Given(encoded.inline)) == Mood("a.txt")


@pytest.mark.parametrize(
    ("wire", "said", "path"),
    [
        ({"name": "a", "weights": [[1], [2, 3]]}, "rows of a matrix are of one length", "$.weights"),
        ({"name": "a", "weights": [["x"]]}, "Expected `float`, got `str`", "$.weights"),
        ({"name": "a", "weights": [], "layers": {"b": 3}}, "Expected `array`, got `int`", "$.layers"),
    ],
)
def test_what_a_codec_refuses_is_refused_with_its_place_and_words(wire: Any, said: str, path: str) -> None:
    with pytest.raises(DoesNotFitError, match=said) as caught:
        plan_of(Model).decode(Given(Inline(msgspec.json.encode(wire), Encoding.JSON)))
    assert caught.value.path.startswith(path)


def test_a_codec_that_gives_something_else_is_told() -> None:
    wrong: Codec[Mood, str] = Codec(Mood, str, lambda mood: mood.text, lambda text: text)  # type: ignore[arg-type,return-value]
    with pytest.raises(DoesNotFitError, match="the codec of Mood gave str"):
        plan_of(Annotated[Mood, wrong]).encode(Mood("good"))


class Sheet(msgspec.Struct):
    cells: Annotated[Matrix, rows_of]


REFUSED: list[tuple[Any, str]] = [
    (lambda: Codec(int, str, str, int), "int has a wire form already; a Codec is for a class of your own"),
    (lambda: Codec(Model, str, repr, lambda _: Model("", Matrix([]))), "Model has a wire form already"),
    (lambda: Codec("Matrix", str, repr, repr), "a Codec is for a class, and 'Matrix' is none"),  # type: ignore[arg-type]
    (lambda: plan_of(Annotated[int, rows_of]), "int is annotated with a codec of Matrix"),
    (lambda: plan_of(Annotated[Mood, Codec(Mood, complex, complex, str)]), "the codec of Mood: complex cannot be sent"),  # type: ignore[arg-type]
    (lambda: plan_of(Matrix), r"Matrix cannot be sent; use a dataclass, .* or Annotated\[Matrix, Codec\(Matrix, …\)\]"),
    (
        lambda: plan_of(Annotated[Mood, PickleCodec(Mood)]),
        r"only a worker can choose pickle: .*PickleCodec\(Mood\)\]\)",
    ),
    (lambda: plan_of(Sheet), r"Sheet\.cells: no codec works inside a msgspec Struct; use a dataclass"),
    (lambda: plan_of(tuple[Sent, Annotated[Matrix, Codec(Matrix, int, hash, Matrix)]]), "two codecs for Matrix"),  # type: ignore[arg-type]
    (lambda: Worker("w", codecs=[rows_of, rows_of]), "worker w: two codecs for Matrix; keep one"),
    (lambda: Worker("w", codecs=[Matrix]), "worker w: codecs takes Codec objects, not <class"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("make", "said"), REFUSED)
def test_a_codec_that_cannot_work_is_refused(make: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()


own = Worker("own", codecs=[rows_of, PickleCodec(Mood)])


@dataclass
class Plain:
    matrix: Matrix
    mood: Mood | None = None


@own.task
def twice(matrix: Matrix) -> Matrix:
    return Matrix([[2 * cell for cell in row] for row in matrix.rows])


@own.task
def cheer(plain: Plain, moods: list[Mood]) -> Plain:
    return Plain(plain.matrix, Mood(moods[0].text + "!"))


@workflow
def four_times(matrix: Sent) -> Sent:
    return twice(twice.options(name="first")(matrix))


@pytest.mark.feature("B1")
def test_a_worker_has_codecs_for_all_its_tasks() -> None:
    with local(own) as client:
        assert client.submit(twice, Matrix([[1, 2]])).result() == Matrix([[2, 4]])
        assert client.submit(four_times, Matrix([[1.0]])).result() == Matrix([[4]])
        assert client.submit(cheer, Plain(Matrix([])), [Mood("good")]).result() == Plain(Matrix([]), Mood("good!"))
        run = client.submit_named("own.twice", {"matrix": [[1], [2, 3]]})
        failure = run.ended().failure
        assert isinstance(failure, Failure)
        assert failure.code is Code.INVALID_INPUT
        assert failure.violations == (("$.matrix", "Expected Matrix: rows of a matrix are of one length"),)


def test_another_worker_has_none_of_them_and_pickle_is_never_a_default() -> None:
    other = Worker("other")
    with pytest.raises(DefinitionError, match=r"task other\.twice: its result: Matrix cannot be sent"):
        other.task(twice.fn)
    with pytest.raises(DefinitionError, match=r"task other\.cheer: its result: Plain\.matrix: Matrix cannot be sent"):
        other.task(cheer.fn)
