"""What is shown of an input."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.glimpse import glimpse
from tidemill.core.values import Argument, Blob, Encoding, Given, GivenList, GivenRecord, Inline, Remote


def packed(value: Any) -> Given:
    return Given(Inline(msgspec.msgpack.encode(value), Encoding.MSGPACK))


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        (packed(5), "5"),
        (packed(None), "null"),
        (packed("short"), '"short"'),
        (packed("x" * 41), "text of 41 characters"),
        (packed([1, 2]), "list of 2"),
        (packed({"name": "a", "word": "b"}), "record of name, word"),
        (packed(b"abc"), "5 B"),
        (packed("x" * 2000), "2 KiB"),
        (Given(Inline(b"\xc1", Encoding.MSGPACK)), "1 B"),
        (Given(Blob(b"d" * 32, 3 * 1024**2, Encoding.MSGPACK)), "3 MiB"),
        (GivenList((packed(1),)), "list of 1"),
        (GivenRecord({"a": packed(1)}), "record of a"),
        (Remote("p", "value"), "a list that lies on the server"),
    ],
    ids=str,
)
def test_a_short_value_is_shown_and_of_others_the_size(argument: Argument, shown: str) -> None:
    assert glimpse("x", argument) == shown


@pytest.mark.parametrize("name", ["password", "db_passwd", "apiKey", "API_KEY", "access_token", "client-secret"])
def test_what_is_named_like_a_secret_is_hidden(name: str) -> None:
    assert glimpse(name, packed("hunter2")) == "hidden"


@given(st.binary(max_size=60), st.sampled_from(list(Encoding)))
def test_any_bytes_give_a_short_text(data: bytes, encoding: Encoding) -> None:
    assert len(glimpse("x", Given(Inline(data, encoding)))) < 400
