"""SQL text by name, from `.sql` files; `-- @name` opens a statement."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_HOME = files("tidemill.adapters.storage")


@cache
def statements(place: str) -> Mapping[str, str]:
    """The statements of one file (`sqlite/sql/beat`), by name, each on one line."""
    found = {}
    for part in (_HOME / f"{place}.sql").read_text("utf-8").split("-- @")[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = " ".join(text.split()).rstrip(";")
    return found


def migrations(place: str) -> list[str]:
    """All migrations of a schema (`sqlite/migrations/store`) in order; number 1 comes first, and none is missing."""
    found = sorted((item for item in (_HOME / place).iterdir() if item.name.endswith(".sql")), key=str)
    return [item.read_text("utf-8") for item in found]
