"""One bound for the depth of values, and a search for it that no bytes can make slow."""

import pytest

from tidemill.core.chunks import UnreadableError, plain
from tidemill.core.nesting import NESTING_LIMIT, is_json_deep
from tidemill.core.values import Encoding


@pytest.mark.parametrize("depth", [NESTING_LIMIT + 1, 5000, 50_000])
def test_what_lies_deeper_cannot_be_read_whatever_the_interpreter_would_take(depth: int) -> None:
    for data, encoding in (
        (b"\x91" * depth + b"\x01", Encoding.MSGPACK),
        (b"\x81\xa1a" * depth + b"\x01", Encoding.MSGPACK),
        (b"[" * depth + b"]" * depth, Encoding.JSON),
        (b'{"a":' * depth, Encoding.JSON),
    ):
        with pytest.raises(UnreadableError, match="nested too deep"):
            plain(data, encoding)


def test_what_lies_as_deep_as_allowed_can_be_read() -> None:
    assert plain(b"\x91" * NESTING_LIMIT + b"\x01", Encoding.MSGPACK)
    assert plain(b"[" * NESTING_LIMIT + b"]" * NESTING_LIMIT, Encoding.JSON)


@pytest.mark.timeout(20)  # a search that begins again at each quote would take days
def test_a_text_without_an_end_is_searched_once() -> None:
    assert not is_json_deep(b"[" * 90 + b'"' + b'\\"' * 2_000_000 + b"[]" * 200)
    assert is_json_deep(b'["' + b'\\"' * 2_000_000 + b'"' + b"[" * NESTING_LIMIT)
