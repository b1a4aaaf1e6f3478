"""Task names in URLs, by one rule.

Each part of ``worker.function`` is written in lower case, accents fall, and each run of other characters than a-z and
0-9 becomes one ``-``, none at the ends: ``Media.make_thumb`` → ``media.make-thumb``. So two names may coincide; both
cannot be served at once.
"""

import re
import unicodedata
from collections.abc import Iterable


def url_name(task: str) -> str:
    """The name of a task in URLs; empty for one with a part that has no letter a-z and no digit."""
    parts = [_part(part) for part in task.split(".")]
    return ".".join(parts) if all(parts) else ""


def _part(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if not text.isascii() else text
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def misnamed(tasks: Iterable[str]) -> str:
    """What is wrong with the names of tasks that are served together; "" when each has a URL of its own."""
    seen: dict[str, str] = {}
    for task in tasks:
        name = url_name(task)
        if not name:
            return f"{task} has no name for URLs: each part needs a letter a-z or a digit"
        if (other := seen.setdefault(name, task)) != task:
            return f"{other} and {task} have the same name in URLs, {name}; rename one of them"
    return ""
