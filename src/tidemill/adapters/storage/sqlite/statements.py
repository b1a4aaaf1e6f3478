"""SQL text by name, from the `.sql` files beside this module; `-- @name` opens a statement."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_HOME = files("tidemill.adapters.storage.sqlite")


@cache
def statements(group: str) -> Mapping[str, str]:
    """The statements of one file in `sql/`, by name, each on one line."""
    found = {}
    for part in (_HOME / "sql" / f"{group}.sql").read_text("utf-8").split("-- @")[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = " ".join(text.split()).rstrip(";")
    return found


def migrations(schema: str) -> list[str]:
    """All migrations of a schema in order; number 1 comes first, and none is missing."""
    found = sorted((item for item in (_HOME / "migrations" / schema).iterdir() if item.name.endswith(".sql")), key=str)
    return [item.read_text("utf-8") for item in found]
