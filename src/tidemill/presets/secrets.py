"""Secrets by name: callers write ``{NAME}``, and the operator's mapping has the value. No input ever holds one."""

import re
from collections.abc import Mapping

from tidemill.sdk.errors import InvalidInputError

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def secret_of(text: str, secrets: Mapping[str, str]) -> str:
    """The text with its secrets in it. Raises InvalidInputError for a text that names none, or an unknown one."""
    names = _NAME.findall(text)
    if not names:
        raise InvalidInputError("a secret is given by name, such as {TOKEN}, never itself")
    for name in names:
        if name not in secrets:
            raise InvalidInputError(f"this worker has no secret {name}; it has {', '.join(sorted(secrets)) or 'none'}")
    return _NAME.sub(lambda found: secrets[found[1]], text)
