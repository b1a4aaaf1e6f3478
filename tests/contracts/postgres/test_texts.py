"""Any text comes back as it was, and texts keep their order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.storage.postgres.texts import read, written

texts = st.text(st.sampled_from("\0\1\2ab") | st.characters(codec="utf-8"), max_size=8)


@given(st.lists(texts, max_size=6))
def test_texts_come_back_and_keep_their_order(found: list[str]) -> None:
    (held,) = written([found])
    assert not [text for text in held if "\0" in text]
    assert list(read(held)) == found
    assert [read([text])[0] for text in sorted(held, key=str.encode)] == sorted(found, key=str.encode)
    assert written([*found, 3, None, b"\0", [3, 4]])[len(found) :] == [3, None, b"\0", [3, 4]]


def test_a_text_that_others_begin_with_stays_before_them() -> None:
    (held,) = written([["a", "a\0", "a\0\0", "a\0\1", "a\1", "a\1\0", "a\2", "b"]])
    assert all(first < second for first, second in pairwise(text.encode() for text in held))
