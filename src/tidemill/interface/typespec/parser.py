"""Reads a spec: recursive descent over its declarations. The grammar is in docs/design/programs.md."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import partial

from tidemill.interface.typespec.cursor import Cursor
from tidemill.interface.typespec.expressions import dotted, read_named, read_type, read_value
from tidemill.interface.typespec.lexer import Kind
from tidemill.interface.typespec.syntax import (
    Alias,
    Declaration,
    Decorator,
    Enumeration,
    EnumMember,
    Field,
    Interface,
    Kinship,
    Model,
    Notes,
    Operation,
    Scalar,
    Spec,
    SpecError,
    Spread,
    Union,
    Value,
    Variant,
)


def parse(text: str, file: str = "") -> Spec:
    """The tree of a spec. Raises SpecError, with the place and what is expected there."""
    try:
        return _spec(Cursor(text.removeprefix("\ufeff")))
    except SpecError as error:
        raise error.of_file(file) from None


def _spec(cursor: Cursor) -> Spec:
    spec, found = Spec(), list[Declaration]()
    while cursor.next.kind is not Kind.END:
        notes = _notes(cursor)
        if cursor.sees("namespace"):
            spec = _namespace(cursor, spec, notes, found)
        elif not _aside(cursor):
            found.append(_declaration(cursor, notes))
    return replace(spec, declarations=tuple(found))


def _namespace(cursor: Cursor, spec: Spec, notes: Notes, found: list[Declaration]) -> Spec:
    place = cursor.take().place
    if spec.namespace:
        raise SpecError("a second namespace; a spec declares one worker", place)
    at = cursor.place
    name = dotted(cursor, "the name of the worker")
    if "." in name:
        raise SpecError(f"the namespace {name} has parts; the name of a worker has none", at)
    if cursor.take_if("{"):
        while not cursor.take_if("}"):
            inner = _notes(cursor)
            if cursor.sees("namespace"):
                cursor.unsupported("namespaces in each other are", "a spec declares one worker")
            found.append(_declaration(cursor, inner))
    else:
        cursor.expect(";", "or '{' after the name of the worker")
    return Spec(name, (), notes, place)


def _aside(cursor: Cursor) -> bool:
    """What says nothing of a worker: ``import``, ``using`` and stray semicolons."""
    if cursor.take_if("import"):
        at = cursor.place
        if cursor.take_kind(Kind.TEXT, 'the name of a library, as in import "@typespec/http"').value.startswith("."):
            raise SpecError("imports of other files are not supported; a spec is one file", at)
        cursor.expect(";", "after an import")
        return True
    if cursor.take_if("using"):
        dotted(cursor, "the name of a namespace")
        cursor.expect(";", "after using")
        return True
    return cursor.take_if(";")


def _notes(cursor: Cursor) -> Notes:
    doc, decorators = "", list[Decorator]()
    while True:
        if cursor.next.kind is Kind.DOC:
            doc = cursor.take().value
        elif cursor.take_if("@"):
            decorators.append(_decorator(cursor))
        else:
            return Notes(doc, tuple(decorators))


def _decorator(cursor: Cursor) -> Decorator:
    place = cursor.place
    name = dotted(cursor, "the name of a decorator")
    if not cursor.take_if("("):
        return Decorator(name, (), place)
    arguments: list[Value] = cursor.listed(partial(read_value, cursor), ")", ",", "a value")
    return Decorator(name, tuple(arguments), place)


def _declaration(cursor: Cursor, notes: Notes) -> Declaration:
    word = cursor.next.text
    if word in _DECLARATIONS:
        cursor.take()
        return _DECLARATIONS[word](cursor, notes)
    for unsupported, instead in _UNSUPPORTED.items():
        if word == unsupported:
            cursor.unsupported(f"'{word}' is", instead)
    near = get_close_matches(word, _DECLARATIONS, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise SpecError(f"expected {', '.join(_DECLARATIONS)}, found {cursor.next}{hint}", cursor.place)


def _model(cursor: Cursor, notes: Notes) -> Model:
    name = cursor.name("the name of the model")
    model = Model(name.value, _parameters(cursor), (), None, notes, name.place)
    for kinship in Kinship:
        if cursor.take_if(kinship.value):
            model = replace(model, parent=(kinship, read_named(cursor, "the name of a model")))
    if model.parent and cursor.take_if(";"):
        return model
    cursor.expect("{", f"after model {name.value}")
    return replace(model, members=tuple(cursor.listed(partial(_field, cursor), "}", ";,", "a field")))


def _field(cursor: Cursor) -> Field | Spread:
    notes, place = _notes(cursor), cursor.place
    if cursor.take_if("..."):
        return Spread(read_named(cursor, "the name of a model"), place)
    token = cursor.take() if cursor.next.kind is Kind.TEXT else cursor.name("the name of a field")
    is_optional = cursor.take_if("?")
    cursor.expect(":", f"and a type after {token.value}")
    kind = read_type(cursor)
    default = read_value(cursor) if cursor.take_if("=") else None
    return Field(token.value, kind, is_optional, default, notes, place)


def _parameters(cursor: Cursor) -> tuple[str, ...]:
    """``<T, U>`` of a declaration."""
    if not cursor.take_if("<"):
        return ()

    def parameter() -> str:
        name = cursor.name("the name of a type parameter").value
        if cursor.sees("extends", "="):
            cursor.unsupported(f"'{cursor.next.text}' of a type parameter is", "write its name alone")
        return name

    return tuple(cursor.listed(parameter, ">", ",", "a type parameter"))


def _enumeration(cursor: Cursor, notes: Notes) -> Enumeration:
    name = cursor.name("the name of the enum")
    cursor.expect("{", f"after enum {name.value}")
    members = cursor.listed(partial(_enum_member, cursor), "}", ",;", "a member")
    return Enumeration(name.value, tuple(members), notes, name.place)


def _enum_member(cursor: Cursor) -> EnumMember:
    notes, place = _notes(cursor), cursor.place
    if cursor.sees("..."):
        cursor.unsupported("spreading enums is", "write the members")
    token = cursor.take() if cursor.next.kind is Kind.TEXT else cursor.name("the name of a member")
    value: str | int | None = None
    if cursor.take_if(":"):
        at = cursor.place
        given = getattr(read_value(cursor), "value", None)
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise SpecError("a member of an enum is a text or a whole number", at)
        value = given
    return EnumMember(token.value, value, notes, place)


def _union(cursor: Cursor, notes: Notes) -> Union:
    name = cursor.name("the name of the union")
    cursor.expect("{", f"after union {name.value}")
    variants = cursor.listed(partial(_variant, cursor), "}", ",;", "a variant")
    return Union(name.value, tuple(variants), notes, name.place)


def _variant(cursor: Cursor) -> Variant:
    _notes(cursor)
    name = ""
    if cursor.next.kind in (Kind.NAME, Kind.TEXT) and cursor.peek().text == ":":
        name = cursor.take().value
        cursor.take()
    return Variant(name, read_type(cursor))


def _alias(cursor: Cursor, notes: Notes) -> Alias:
    name = cursor.name("the name of the alias")
    parameters = _parameters(cursor)
    cursor.expect("=", f"after alias {name.value}")
    target = read_type(cursor)
    cursor.expect(";", "after an alias")
    return Alias(name.value, target, parameters, notes, name.place)


def _scalar(cursor: Cursor, notes: Notes) -> Scalar:
    name = cursor.name("the name of the scalar")
    cursor.expect("extends", f"after scalar {name.value}: a scalar is one that there is, by another name")
    base = read_named(cursor, "the name of a scalar")
    cursor.expect(";", "after a scalar")
    return Scalar(name.value, base, notes, name.place)


def _interface(cursor: Cursor, notes: Notes) -> Interface:
    name = cursor.name("the name of the interface")
    if cursor.sees("<", "extends"):
        cursor.unsupported("interfaces with parameters or parents are", "write the operations")
    cursor.expect("{", f"after interface {name.value}")
    operations = cursor.listed(lambda: _operation(cursor, _notes(cursor)), "}", ";", "an operation")
    return Interface(name.value, tuple(operations), notes, name.place)


def _free_operation(cursor: Cursor, notes: Notes) -> Operation:
    operation = _operation(cursor, notes)
    cursor.expect(";", "after an operation")
    return operation


def _operation(cursor: Cursor, notes: Notes) -> Operation:
    cursor.take_if("op")
    name = cursor.name("the name of an operation")
    parameters = _parameters(cursor)
    if cursor.sees("is"):
        cursor.unsupported("'op … is …' is", "write the parameters and the result")
    cursor.expect("(", f"after operation {name.value}")
    fields = cursor.listed(partial(_field, cursor), ")", ",", "a parameter")
    cursor.expect(":", f"and the type of its result after operation {name.value}(…)")
    return Operation(name.value, tuple(fields), read_type(cursor), parameters, notes, name.place)


_DECLARATIONS: dict[str, Callable[[Cursor, Notes], Declaration]] = {
    "model": _model,
    "interface": _interface,
    "op": _free_operation,
    "enum": _enumeration,
    "union": _union,
    "alias": _alias,
    "scalar": _scalar,
}
_UNSUPPORTED = {
    "@@": "write the decorator before what it decorates",
    "#": "take the directive away",
    "const": "write the value where it is used",
    "extern": "take the declaration away: the decorators that count are known",
    "dec": "take the declaration away: the decorators that count are known",
    "fn": "write the type or the value where it is used",
    "internal": "take the word away",
}
