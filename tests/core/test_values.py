"""Files are found in encoded values without decoding them."""

import msgspec
import pytest

from tidemill.core.values import Encoding, refs_in

FILE = {"$file": "sha256:" + "ab" * 32, "size": 3, "media_type": "text/plain", "name": "a.txt"}
ENCODE = {Encoding.MSGPACK: msgspec.msgpack.encode, Encoding.JSON: msgspec.json.encode}


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_file_is_found_wherever_it_lies(encoding: Encoding) -> None:
    data = ENCODE[encoding]([1, {"deep": [FILE, FILE]}])
    assert refs_in(data, encoding) == (b"\xab" * 32,)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("around", ["{}", "å{}", 'x"{}', "\\{}"])
def test_a_text_that_looks_like_a_file_is_none(encoding: Encoding, around: str) -> None:
    text = around.format(msgspec.json.encode(FILE).decode())
    assert refs_in(ENCODE[encoding]({"text": text, text: 1}), encoding) == ()
