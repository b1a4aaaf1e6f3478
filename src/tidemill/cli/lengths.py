"""Lengths of time on the command line: ``90``, ``1.5s``, ``20m``, ``2h``, ``7d``."""

import re

import click

_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def length(text: str) -> float:
    """The seconds that it means; the type of an option."""
    found = _FORM.fullmatch(str(text).strip().lower())
    if found is None or found[2] not in _UNITS_S:
        raise click.BadParameter(f"{text!r} is no length of time; write it as 30s, 20m, 2h or 7d")
    return float(found[1]) * _UNITS_S[found[2]]
