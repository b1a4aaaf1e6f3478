"""Tasks of senses, to be called in workflows and submitted by clients.

Written by `tidemill stubs`; do not edit.

worker senses sha256:b74dee8ab9cf44a81f52bbd1ada016e1713371dcbf6a059e940ed3668aec6c8a
"""

from dataclasses import dataclass

from tidemill import File, StubCalledError, stub


@dataclass(frozen=True)
class Line:
    """A line of text; ``score`` is the reader's trust in it, from 0 to 1."""

    text: str
    score: float


@dataclass(frozen=True)
class Stretch:
    """Where somebody speaks, in seconds from the beginning."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Sound:
    length_s: float
    speech: list[Stretch]


@stub("senses.lines", schema="sha256:be2d0d8c7974effb504b5292ac2af1e80e94f3d9bea5f4c3926326d2de1201f3")
def lines(picture: File) -> list[Line]:
    """Read the text in a picture, from top to bottom; of an animation in its first frame."""
    raise StubCalledError("senses.lines")


@stub("senses.speech", schema="sha256:1a78fe36c5ba3209963194a85b2dcbd64ce318dc42080239662dac5811fde114")
def speech(sound: File) -> Sound:
    """Find where somebody speaks in a WAV file of 16 bits, at 8, 16, 32 or 48 kHz; of several channels in the first."""
    raise StubCalledError("senses.speech")
