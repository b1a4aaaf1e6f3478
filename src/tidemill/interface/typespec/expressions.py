"""Types and values, as they stand inside declarations."""

from functools import partial
from typing import Any

from tidemill.interface.typespec.cursor import Cursor
from tidemill.interface.typespec.lexer import Kind, Token
from tidemill.interface.typespec.syntax import (
    ArrayOf,
    Either,
    Entries,
    Exactly,
    Items,
    Member,
    Named,
    Plain,
    SpecError,
    TupleOf,
    Type,
    Value,
)

_TRUTH = {"true": True, "false": False}
_A_TYPE = 'a type (a name, "a text", a number, […], or a list T[])'
_A_VALUE = 'a value ("a text", a number, true, false, null, Enum.member, #[…] or #{…})'


def read_type(cursor: Cursor) -> Type:
    """``A | B[] | "text"``; a leading ``|`` is allowed."""
    place = cursor.place
    cursor.take_if("|")
    members = [cursor.deeper(partial(_postfix, cursor))]
    while cursor.take_if("|"):
        members.append(cursor.deeper(partial(_postfix, cursor)))
    if cursor.sees("&"):
        cursor.unsupported("intersections, A & B, are", "write a model with ...A and ...B in it")
    return members[0] if len(members) == 1 else Either(tuple(members), place)


def _postfix(cursor: Cursor) -> Type:
    kind = _single(cursor)
    while cursor.sees("["):
        place = cursor.take().place
        if not cursor.sees("]"):
            cursor.refuse("']' of a list, as in T[]")
        cursor.take()
        kind = ArrayOf(kind, place)
    return kind


def _single(cursor: Cursor) -> Type:
    token = cursor.next
    if token.kind in (Kind.TEXT, Kind.NUMBER) or token.text in _TRUTH:
        return Exactly(_literal(cursor.take()), token.place)
    if token.kind is Kind.NAME:
        return _named_type(cursor)
    if cursor.take_if("["):
        items = cursor.listed(partial(read_type, cursor), "]", ",", "a type")
        return TupleOf(tuple(items), token.place)
    if cursor.take_if("("):
        inner = read_type(cursor)
        cursor.expect(")", "after a type in parentheses")
        return inner
    if token.text == "{":
        cursor.unsupported("models without a name are", "declare one, model X { … }, and write X here")
    return cursor.refuse(_A_TYPE)


def _named_type(cursor: Cursor) -> Type:
    if cursor.sees("typeof", "valueof", "never"):
        cursor.unsupported(f"'{cursor.next.text}' is", "write the name of a type")
    return read_named(cursor, "a type")


def read_named(cursor: Cursor, what: str) -> Named:
    """``a.b.Name<T, U>``."""
    place = cursor.place
    name = dotted(cursor, what)
    if cursor.sees("("):
        cursor.unsupported("calls of types, as in T(…), are", "write the type alone")
    if not cursor.take_if("<"):
        return Named(name, (), place)
    arguments = cursor.listed(partial(read_type, cursor), ">", ",", "a type")
    return Named(name, tuple(arguments), place)


def dotted(cursor: Cursor, what: str) -> str:
    name = cursor.name(what).value
    while cursor.take_if("."):
        name += "." + cursor.name("a name after '.'").value
    return name


def read_value(cursor: Cursor) -> Value:
    return cursor.deeper(partial(_value, cursor))


def _value(cursor: Cursor) -> Value:
    token = cursor.next
    if token.kind in (Kind.TEXT, Kind.NUMBER) or token.text in _TRUTH:
        return Plain(_literal(cursor.take()), token.place)
    if cursor.take_if("null"):
        return Plain(None, token.place)
    if cursor.take_if("#["):
        items = cursor.listed(partial(read_value, cursor), "]", ",", "a value")
        return Items(tuple(items), token.place)
    if cursor.take_if("#{"):
        entries = cursor.listed(partial(_entry, cursor), "}", ",", "a value")
        return Entries(tuple(entries), token.place)
    if token.kind is Kind.NAME:
        enum, _, name = dotted(cursor, "a value").rpartition(".")
        if enum:
            return Member(enum, name, token.place)
        raise SpecError(f"expected {_A_VALUE}, found {token}", token.place)
    return cursor.refuse(_A_VALUE)


def _entry(cursor: Cursor) -> tuple[str, Value]:
    name = cursor.name("the name of a field").value
    cursor.expect(":", "after the name of a field")
    return name, read_value(cursor)


def _literal(token: Token) -> Any:
    if token.kind is Kind.TEXT:
        return token.value
    if token.text in _TRUTH:
        return _TRUTH[token.text]
    if len(token.text) > 40:
        raise SpecError("a number has at most 40 digits", token.place)
    whole = token.text.removeprefix("-").isdigit()
    number = int(token.text) if whole else float(token.text)
    if number in (float("inf"), float("-inf")):
        raise SpecError(f"'{token.text}' is too large for a float", token.place)
    return number
