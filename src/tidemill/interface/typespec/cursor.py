"""A place in the tokens of a spec: what is next, and what was expected there."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from tidemill.interface.typespec.lexer import Kind, Token, tokens_of
from tidemill.interface.typespec.syntax import Place, SpecError

T = TypeVar("T")

DEEPEST = 40  # of types and values in each other


class Cursor:
    """Moves forward only. What it raises is a SpecError."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens_of(text)
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    @property
    def place(self) -> Place:
        return self.next.place

    def peek(self) -> Token:
        """The token after the next one."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these marks or words, written without quotes or backticks."""
        return self.next.text in texts

    def take_if(self, text: str) -> bool:
        if not self.sees(text):
            return False
        self.take()
        return True

    def expect(self, text: str, after: str) -> Token:
        """Take this mark or word. ``after`` says where it belongs, for the message."""
        if not self.sees(text):
            self.refuse(f"'{text}' {after}")
        return self.take()

    def take_kind(self, kind: Kind, what: str) -> Token:
        if self.next.kind is not kind:
            self.refuse(what)
        return self.take()

    def name(self, what: str) -> Token:
        return self.take_kind(Kind.NAME, what)

    def refuse(self, expected: str) -> NoReturn:
        raise SpecError(f"expected {expected}, found {self.next}", self.place)

    def unsupported(self, what: str, instead: str) -> NoReturn:
        raise SpecError(f"{what} not supported; {instead}", self.place)

    def listed(self, read: Callable[[], T], end: str, separators: str, what: str) -> list[T]:
        """Things up to the mark ``end``, which is taken. A new line may stand for a separator; one may come last."""
        found: list[T] = []
        while not self.take_if(end):
            found.append(read())
            if not self.sees(end, *separators) and not self._on_new_line():
                self.refuse(f"'{separators[0]}' or '{end}' after {what}")
            while self.sees(*separators):
                self.take()
        return found

    def _on_new_line(self) -> bool:
        return self.next.kind is not Kind.END and self.place.line > self._tokens[self._at - 1].place.line

    def deeper(self, read: Callable[[], T]) -> T:
        """Read something that stands inside another of its kind."""
        if self._depth >= DEEPEST:
            raise SpecError(f"more than {DEEPEST} levels inside each other; name the inner ones", self.place)
        self._depth += 1
        try:
            return read()
        finally:
            self._depth -= 1
