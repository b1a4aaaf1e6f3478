"""The two sub-protocols as the kit speaks them."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from tidemill.core.values import Encoding, Given, Inline
from tidemill.wire import worker as wire


class Codec(Struct, frozen=True):
    """Frames and values of one sub-protocol. ``plain`` decodes without a type, to show what was said."""

    subprotocol: str
    encoding: Encoding
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], list[wire.ToServer]]
    plain: Callable[[bytes], Any]

    @property
    def is_text(self) -> bool:
        return self.encoding is Encoding.JSON

    def given(self, value: object) -> Given:
        return Given(Inline(self.encode(value), self.encoding))

    def shown(self, frame: bytes) -> str:
        """A frame as text, for people."""
        try:
            return msgspec.json.encode(self.plain(frame)).decode()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            return repr(frame[:200])


MSGPACK = Codec(
    wire.SUBPROTOCOL,
    Encoding.MSGPACK,
    wire.encode_frame,
    wire.decode_to_server,
    msgspec.msgpack.decode,
)
JSON = Codec(
    wire.JSON_SUBPROTOCOL,
    Encoding.JSON,
    wire.encode_json_frame,
    wire.decode_json_to_server,
    msgspec.json.decode,
)
CODECS = {each.subprotocol: each for each in (MSGPACK, JSON)}
