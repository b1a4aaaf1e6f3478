"""An input in a few characters, for people who look at what runs: its value when that is short, else its size."""

import json
import re
from typing import Any

from tidemill.core.chunks import plain
from tidemill.core.errors import TidemillError
from tidemill.core.sizes import size_text
from tidemill.core.values import Argument, Blob, Given, GivenList, GivenRecord, Inline

_SHOWN = 40  # characters of a text
_LOOKED_AT_BYTES = 1024
_SECRET = re.compile(r"(?i)passw|secret|token|credential|api.?key|private.?key|authorization")


def glimpse(name: str, argument: Argument) -> str:
    """What may be shown of an input; of one whose name tells that it is a secret, nothing."""
    if _SECRET.search(name):
        return "hidden"
    match argument:
        case Given(value=Inline() as value, fields=()) if len(value.data) <= _LOOKED_AT_BYTES:
            return _of_plain(value)
        case Given(value=Inline(data=data)):
            return size_text(len(data))
        case Given(value=Blob(size=size)):
            return size_text(size)
        case GivenList(items=items):
            return f"list of {len(items)}"
        case GivenRecord(fields=fields):
            return f"record of {', '.join(fields)}"
        case _:
            return "a list that lies on the server"


def _of_plain(value: Inline) -> str:
    try:
        found: Any = plain(value.data, value.encoding)
    except (TidemillError, ValueError):
        return size_text(len(value.data))
    match found:
        case None | bool() | int() | float():
            return json.dumps(found)
        case str() if len(found) <= _SHOWN:
            return json.dumps(found, ensure_ascii=False)
        case str():
            return f"text of {len(found)} characters"
        case list():
            return f"list of {len(found)}"
        case dict():
            return f"record of {', '.join(map(str, list(found)[:5]))}"
        case _:
            return size_text(len(value.data))
