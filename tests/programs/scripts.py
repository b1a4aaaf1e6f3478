"""Tasks whose program does what it is told, in shell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tidemill import File, Worker

w = Worker("w")
SHELL = ["./shell.sh"]


@dataclass(frozen=True)
class Point:
    x: int
    label: str | None = None


@dataclass(frozen=True)
class Album:
    title: str
    photos: list[File]


class Halves(NamedTuple):
    left: int
    right: bytes
    rest: File | None


@w.program(command=SHELL)
def number(script: str, x: int = 7) -> int: ...


@w.program(command=SHELL)
def text(script: str, x: str = "") -> str: ...


@w.program(command=SHELL)
def any_(script: str, x: Any = None) -> Any: ...


@w.program(command=SHELL)
def raw(script: str, x: bytes = b"") -> bytes: ...


@w.program(command=SHELL)
def file(script: str, x: File) -> File: ...


@w.program(command=SHELL)
def nothing(script: str) -> None: ...


@w.program(command=SHELL)
def maybe(script: str) -> Point | None: ...


@w.program(command=SHELL)
def album(script: str, x: Album) -> Album: ...


@w.program(command=SHELL)
def halves(script: str) -> Halves: ...


@w.program(command=SHELL, statuses=["needs_review"])
def status(script: str) -> int: ...


@w.program(command=SHELL)
def points(script: str) -> Iterator[Point]: ...


@w.program(command=SHELL, timeout=0.3)
def slow(script: str) -> int: ...
