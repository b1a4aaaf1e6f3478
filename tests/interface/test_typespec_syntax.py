"""Reading specs: what is written is what is read, and a mistake is told with its place."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.interface.specs import soup, specs
from tidemill.interface.typespec.parser import parse
from tidemill.interface.typespec.printer import printed
from tidemill.interface.typespec.syntax import Place, Spec, SpecError


@given(specs)
def test_a_printed_spec_is_read_as_it_was(spec: Spec) -> None:
    assert parse(printed(spec)) == spec


@given(st.text() | soup | st.binary().map(lambda data: data.decode("latin-1")))
@example("op a(): " + "[" * 5000)
@example("op a(x: int32 = " + "#[" * 5000)
@example("@a(" * 3000)
@example("/** " * 1000)
@example('"' + "\\" * 1001)
@example("op a(x: int32 = " + "9" * 10_000 + "): void;")
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        spec = parse(text, "worker.tsp")
    except SpecError as error:
        spec, refused = Spec(), error
    else:
        refused = None
    if refused is None:
        assert parse(printed(spec)) == spec
    else:
        assert str(refused).startswith(f"worker.tsp:{refused.place.line}:{refused.place.column}: ")
        assert 1 <= refused.place.line <= text.count("\n") + 1


MISTAKES = {
    "model": ("1:6", "expected the name of the model, found the end of the file"),
    "modle X {}": (
        "1:1",
        "expected model, interface, op, enum, union, alias, scalar, found 'modle'; did you mean 'model'?",
    ),
    "model X { a }": ("1:13", "expected ':' and a type after a, found '}'"),
    "model X {\n  a: string;\n  b string;\n}": ("3:5", "expected ':' and a type after b, found 'string'"),
    "model X { a: int32 b: int32 }": ("1:20", "expected ';' or '}' after a field, found 'b'"),
    "op a(x: {a: string}): string;": ("1:9", "models without a name are not supported; declare one, model X { … }"),
    "op a(): A & B;": ("1:11", "intersections, A & B, are not supported; write a model with ...A and ...B in it"),
    "op a(): never;": ("1:9", "'never' is not supported"),
    "op a is b;": ("1:6", "'op … is …' is not supported; write the parameters and the result"),
    "model P<T extends string> {}": ("1:11", "'extends' of a type parameter is not supported"),
    "interface A extends B {}": ("1:13", "interfaces with parameters or parents are not supported"),
    '@@doc(X, "a");': ("1:1", "'@@' is not supported; write the decorator before what it decorates"),
    '#suppress "a" "b"': ("1:1", "'#' is not supported"),
    "extern dec a();": ("1:1", "'extern' is not supported"),
    'import "./other.tsp";': ("1:8", "imports of other files are not supported; a spec is one file"),
    "namespace A.B;": ("1:11", "the namespace A.B has parts; the name of a worker has none"),
    "namespace a; namespace b;": ("1:14", "a second namespace; a spec declares one worker"),
    "namespace a { namespace b {} }": ("1:15", "namespaces in each other are not supported"),
    '@doc("${a}") op a(): void;': ("1:6", "templates in texts, ${…}, are not supported"),
    r'@doc("\q") op a(): void;': ("1:6", r"\q is no escape"),
    '@doc("a': ("1:6", "a text in quotes that does not end on its line"),
    "op a(): void /* the end": ("1:14", "a comment that does not end; close it with */"),
    "op a(x: int32 = 1e999): void;": ("1:17", "'1e999' is too large for a float"),
    "op a(x: int32 = 12x): void;": ("1:17", "'12x' is no number"),
    "op a(x: string = b): void;": ("1:18", "expected a value"),
    "enum A { a: 1.5 }": ("1:13", "a member of an enum is a text or a whole number"),
    "op a(): void; %": ("1:15", "'%' has no meaning here"),
    "op a(): " + "[" * 99: ("1:49", "more than 40 levels inside each other"),
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:40])
def test_a_mistake_is_told_with_its_place_and_what_is_expected(text: str) -> None:
    place, told = MISTAKES[text]
    with pytest.raises(SpecError) as caught:
        parse(text, "w.tsp")
    assert str(caught.value).startswith(f"w.tsp:{place}: {told}")


def test_places_count_lines_and_columns_from_one() -> None:
    with pytest.raises(SpecError) as caught:
        parse("// first\r\n\n\tmodel X {\n  /** two\n lines */ a: ;\n}")
    assert caught.value.place == Place(5, 14)


def test_a_new_line_stands_for_a_separator() -> None:
    assert parse("model X {\n a: string\n b: int\n}") == parse("model X { a: string; b: int; }")
    assert parse("interface I {\n a(): void\n b(): void\n}") == parse("interface I { op a(): void; b(): void }")


def test_comments_imports_and_using_say_nothing() -> None:
    bare = parse("namespace a; op b(): void;")
    assert parse('// x\nimport "@typespec/http"; using TypeSpec.Http;\nnamespace a; /* y */ op b(): void;') == bare
    assert parse("\ufeffnamespace a { op b(): void; }") == bare


def test_doc_comments_lose_their_stars() -> None:
    spec = parse("/**\n * First.\n *\n * - second\n */\nop a(): void;")
    assert spec.declarations[0].notes.doc == "First.\n\n- second"


def test_long_texts_lose_their_indent() -> None:
    spec = parse('@doc("""\n    one "two"\n      three\n    """)\nop a(): void;')
    assert getattr(spec.declarations[0].notes.decorators[0].arguments[0], "value", "") == 'one "two"\n  three'
