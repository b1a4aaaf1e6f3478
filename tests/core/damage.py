"""Graph documents that somebody has damaged: one or a few changes to the JSON of a good one."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from tests.core.graphs import Maker
from tests.core.state_graphs import StateMaker
from tidemill.core.documents import document_of

JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 0.5, [], [[]], {}, {"": {}},
    "", "n0", "s0", "~", "a/b", "a[0]", "x#1", "\u0000", "\u202e", "\U0001f30a", "x" * 5000,
    {"type": "ref"}, {"$ref": "#/nowhere"}, {"type": "integer"}, {"type": ["integer", 5]}, {"anyOf": []},
    {"type": ["integer", "null"]}, {"anyOf": [True]}, {"type": "constant", "value": 1},
    {"type": "end", "outcome": "success"},
)  # fmt: skip


def damaged(chance: Random) -> bytes:
    """A document of chance, with one to three changes at places of chance."""
    maker = chance.choice([Maker, StateMaker])
    document = msgspec.json.decode(document_of(maker(chance).workflow()))
    for _ in range(chance.randint(1, 3)):
        places = list(_places(document))
        _change(chance, *chance.choice(places), places)
    return msgspec.json.encode(document) if not _has_giant(document) else _as_text(document)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each value in it, as what holds it and where."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _change(chance: Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    other, of = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1:
            holder[key] = chance.choice(JUNK)
        case 2:  # what stands elsewhere
            holder[key] = msgspec.json.decode(msgspec.json.encode(_small(other[of])))
        case _ if isinstance(holder, dict):  # under another name
            holder[str(chance.choice([each for each in JUNK if isinstance(each, str)]))] = holder.pop(key)
        case _:
            holder.append(1 if _has_giant(holder[key]) else holder[key])


def _small(value: Any) -> Any:
    return 1 if _has_giant(value) else value


def _has_giant(value: Any) -> bool:
    """Whether msgspec cannot write a number in it."""
    return "0" * 100 in json.dumps(value)


def _as_text(value: Any) -> bytes:
    return json.dumps(value).encode()
