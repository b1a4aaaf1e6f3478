"""Names of a manifest as names of Python: no keyword, no two alike, none that hides what a stub module uses."""

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable

from tidemill.core.graph import Schema

# What generated modules may use under these names, beside the built-in ones.
IMPORTED = {
    "Any": "typing", "Annotated": "typing", "Literal": "typing", "NamedTuple": "typing", "TypeAlias": "typing",
    "Union": "typing",
    "Generator": "collections.abc", "Iterator": "collections.abc", "dataclass": "dataclasses", "field": "dataclasses",
    "date": "datetime", "datetime": "datetime", "timedelta": "datetime", "Decimal": "decimal", "Enum": "enum",
    "Path": "pathlib", "UUID": "uuid", "Meta": "msgspec", "Struct": "msgspec", "Failure": "tidemill",
    "Directory": "tidemill",
    "File": "tidemill", "StubCalledError": "tidemill", "stub": "tidemill", "stub_stream": "tidemill",
    "unset": "tidemill", "Clamp": "tidemill", "member": "msgspec",
}  # fmt: skip
RESERVED = frozenset([*IMPORTED, *dir(builtins), *keyword.kwlist, *keyword.softkwlist])


def identifier(text: str) -> str:
    """A name of Python that reads like ``text``; it may be a keyword."""
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    if not plain:
        return "unnamed"
    return plain if plain[0].isalpha() else f"n{plain}"


def class_name(text: str) -> str:
    """``Sheet[int]`` → ``SheetInt``, ``reading order`` → ``ReadingOrder``."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    plain = "".join(word[:1].upper() + word[1:] for word in words) or "Unnamed"
    return plain if plain[0].isalpha() else f"N{plain}"


def members_of(schema: Schema) -> dict[str, str | int]:
    """The members of an Enum whose schema has the values alone."""
    members: dict[str, str | int] = {}
    for value in schema["enum"]:
        if isinstance(value, str):
            wanted = identifier(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", value)).upper()
        else:
            wanted = f"VALUE_{value}".replace("-", "MINUS_")
        members[free_name(wanted, members)] = value
    return members


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, or the first of ``wanted_``, ``wanted_2``, … that is not taken."""
    used = set(taken)
    name, count = wanted, 1
    while name in used:
        name, count = f"{wanted}_{count}" if count > 1 else f"{wanted}_", count + 1
    return name


def is_usable(text: str) -> bool:
    """Whether it can stand as a field or parameter as it is. Names with two underscores are mangled inside classes."""
    plain = text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("__")
    return plain and unicodedata.normalize("NFKC", text) == text
