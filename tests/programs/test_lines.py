"""What a program writes, line by line."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidemill.adapters.backends.program.lines import LONGEST_BYTES, LONGEST_SAID_BYTES, Lines, NotSaid, said, text_of
from tidemill.wire.program import HeartbeatLine, ItemLine, LogLine, ProgressLine, SaveLine


@given(st.lists(st.binary(max_size=20)))
def test_pieces_make_the_same_lines_however_they_are_cut(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    cut, uncut = Lines(), Lines()
    assert [line for piece in pieces for line in cut.feed(piece)] + cut.end() == uncut.feed(whole) + uncut.end()
    assert uncut.end() == []


def test_a_line_without_an_end_takes_bounded_memory() -> None:
    lines = Lines()
    pieces = lines.feed(b"x" * (LONGEST_BYTES * 3 + 1))
    assert [len(piece) for piece in pieces] == [LONGEST_BYTES] * 3
    assert lines.end() == [b"x"]
    said_line = b"::tidemill item " + b'"' + b"x" * (LONGEST_SAID_BYTES // 2) + b'"'
    assert lines.feed(said_line + b"\n") == [said_line]


SAID: dict[str, Any] = {
    "progress 0.5": ProgressLine(fraction=0.5),
    'progress {"fraction": 0.5, "stage": "resize", "message": "3 of 6"}': ProgressLine(
        fraction=0.5, stage="resize", message="3 of 6"
    ),
    "heartbeat": HeartbeatLine(),
    'heartbeat "still at it"': HeartbeatLine(details="still at it"),
    'log "hello"': LogLine(message="hello"),
    'log {"level": "warning", "message": "hot"}': LogLine(message="hot", level="warning"),
    'save "out/plot.png"': SaveLine(path="out/plot.png"),
    'item {"a": 1}': ItemLine(item={"a": 1}),
    "item 3": ItemLine(item=3),
}


@pytest.mark.parametrize("line", SAID)
def test_a_word_and_its_json_are_read(line: str) -> None:
    assert said(f"::tidemill {line}".encode()) == SAID[line]


NOT_SAID = {
    "progres 0.5": "there is no word 'progres'; the words are progress, heartbeat, log, save, event, set, metric, item",
    "progress half": "what follows '::tidemill progress' is no JSON",
    "progress": "'::tidemill progress': Object missing required field `fraction`",
    'progress "half"': "'::tidemill progress': Expected `float`, got `str` - at `$.fraction`",
    'log {"level": "loud", "message": "x"}': "there is no level 'loud'; the levels are debug, info",
    'save {"paht": "x"}': "'::tidemill save': Object contains unknown field `paht`",
    "": "there is no word ''",
}


@pytest.mark.parametrize("line", NOT_SAID)
def test_a_line_that_means_nothing_says_why(line: str) -> None:
    told = said(f"::tidemill {line}".encode())
    assert isinstance(told, NotSaid)
    assert told.why.startswith(NOT_SAID[line])


@given(st.binary())
@example(b"::tidemill item \xff")
@example(b"::tidemill item " + b"[" * 100_000)
@example(b"::tidemill progress 1e999")
def test_any_line_is_heard_or_shown(line: bytes) -> None:
    for each in (line, b"::tidemill " + line, b"::tidemill item " + line):
        told = said(each)
        assert (told is None) == (not each.startswith(b"::tidemill "))
        text_of(each)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5))
def test_an_item_is_what_its_json_says(value: object) -> None:
    assert said(f"::tidemill item {json.dumps(value)}".encode()) == ItemLine(item=value)
