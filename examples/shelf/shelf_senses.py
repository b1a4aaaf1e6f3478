"""What the second worker found, as words that can be searched."""

from collections.abc import Sequence

from shelf_passages import MAX_PASSAGES, cut
from shelf_reading import read_name
from shelf_types import Passage, Reading, Stretch

LEFT_OUT = "text in pictures and speech in sound were not looked for: the second worker did not run"
_SHOWN_STRETCHES = 12


def caption(name: Reading, lines: Sequence[str]) -> Reading:
    """The words of a picture's name, then those that are written in it."""
    text = "\n".join(lines)
    start = name.characters + 1
    written = [Passage(start + each.start, each.text) for each in cut(text)]
    return Reading([*name.passages, *written][:MAX_PASSAGES], start + len(text) if text else name.characters)


def transcript(name: str, length_s: float, speech: Sequence[Stretch]) -> Reading:
    """The words of a sound's name, and when somebody speaks in it."""
    called = " ".join(passage.text for passage in read_name(name).passages) or "recording"
    text = f"{called}: a sound of {length_s:.1f} seconds, {told(speech)}"
    return Reading([Passage(0, text)], len(text))


def told(speech: Sequence[Stretch]) -> str:
    """When somebody speaks, in words."""
    if not speech:
        return "in which nobody speaks"
    shown = ", ".join(f"{each.start_s:.1f} to {each.end_s:.1f} s" for each in speech[:_SHOWN_STRETCHES])
    return f"with speech: {shown}" + (" and later" if len(speech) > _SHOWN_STRETCHES else "")
