"""A text as tokens, each with its place. Comments are dropped; doc comments are tokens."""

import re
import textwrap
from enum import Enum
from typing import NamedTuple

from tidemill.interface.typespec.syntax import Place, SpecError

LIMIT_CHARACTERS = 1_000_000


class Kind(Enum):
    NAME = "a name"
    TEXT = "a text in quotes"
    NUMBER = "a number"
    DOC = "a doc comment"
    MARK = "a mark"
    END = "the end of the file"


class Token(NamedTuple):
    """``text`` is what was written; ``value`` what is meant: without quotes, escapes resolved."""

    kind: Kind
    text: str
    value: str
    place: Place

    def __str__(self) -> str:
        return Kind.END.value if self.kind is Kind.END else f"'{_short(self.text)}'"


_PATTERN = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*|/\*(?!\*(?!/))[\s\S]*?\*/|/\*\*/)
    | (?P<doc>/\*\*[\s\S]*?\*/)
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]))
    | (?P<name>[A-Za-z_$][\w$]*)
    | (?P<quoted>`[^`\n.]+`)
    | (?P<long>\"{3}(?:\\[\s\S]|(?!\"{3})[^\\])*\"{3})
    | (?P<text>"(?:\\.|[^"\\\n])*")
    | (?P<mark>\.\.\.|@@|\#\[|\#\{|=>|[@#:;,.?|&=(){}\[\]<>])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "`": "`", "$": "$", "@": "@"}
_KNOWN_ESCAPES = " ".join("\\" + each for each in '"\\nrt`$@')
_UNFINISHED = {
    '"': 'a text in quotes that does not end on its line; close it with "',
    "`": "a name in backticks that does not end on its line; close it with `",
    "/": "a comment that does not end; close it with */",
}


def tokens_of(text: str) -> list[Token]:
    """All tokens, and an END. Raises SpecError."""
    if len(text) > LIMIT_CHARACTERS:
        raise SpecError(f"a spec has at most {LIMIT_CHARACTERS:,} characters", Place(1, 1))
    tokens, at, lines = [], 0, _Lines()
    while at < len(text):
        found, place = _PATTERN.match(text, at), lines.place(text, at)
        if found is None:
            raise _stray(text[at:], place)
        if found.lastgroup != "space":
            tokens.append(_token(str(found.lastgroup), found[0], place))
        at = found.end()
    return [*tokens, Token(Kind.END, "", "", lines.place(text, len(text)))]


class _Lines:
    """Where the last line began; places are asked for in order."""

    def __init__(self) -> None:
        self._line, self._start, self._seen = 1, 0, 0

    def place(self, text: str, at: int) -> Place:
        breaks = text.count("\n", self._seen, at)
        if breaks:
            self._line += breaks
            self._start = text.rindex("\n", self._seen, at) + 1
        self._seen = at
        return Place(self._line, at - self._start + 1)


def _token(group: str, text: str, place: Place) -> Token:
    match group:
        case "doc":
            return Token(Kind.DOC, text, _doc(text), place)
        case "number":
            return Token(Kind.NUMBER, text, text, place)
        case "name":
            return Token(Kind.NAME, text, text, place)
        case "quoted":
            return Token(Kind.NAME, text, text[1:-1], place)
        case "long":
            return Token(Kind.TEXT, text, _unescaped(textwrap.dedent(text[3:-3]).strip("\n"), place), place)
        case "text":
            return Token(Kind.TEXT, text, _unescaped(text[1:-1], place), place)
        case _:
            return Token(Kind.MARK, text, text, place)


def _unescaped(text: str, place: Place) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*\$\{", text):
        raise SpecError("templates in texts, ${…}, are not supported; write the text out", place)

    def meant(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise SpecError(f"{found[0]} is no escape; there is {_KNOWN_ESCAPES}", place)
        return _ESCAPES[found[1]]

    return re.sub(r"\\([\s\S])", meant, text)


def _doc(text: str) -> str:
    lines = [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in text[3:-2].split("\n")]
    return "\n".join(lines).strip()


def _stray(rest: str, place: Place) -> SpecError:
    if rest[0] in _UNFINISHED and (rest[0] != "/" or rest.startswith("/*")):
        return SpecError(_UNFINISHED[rest[0]], place)
    number = re.match(r"-?\d\w*", rest)
    if number:
        return SpecError(f"'{_short(number[0])}' is no number", place)
    return SpecError(f"{rest[0]!r} has no meaning here", place)


def _short(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 40 and line == text else line[:39] + "…"
