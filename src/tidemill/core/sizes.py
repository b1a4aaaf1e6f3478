"""Sizes in bytes, as people write them: ``2GiB``, ``512 MiB``, ``1e9``, ``1.5GB``."""

import math
import re

_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{letter}{i}B": (1024 if i else 1000) ** power for power, letter in enumerate("KMGT", 1) for i in ("", "i")}
_BY_LETTER_CASE = {name.lower(): factor for name, factor in _UNITS.items()}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*([A-Za-z]*)")
_LARGEST = 1 << 60


def size_bytes(size: int | str) -> int:
    """Bytes of ``2GiB`` (1024s), ``2GB`` (1000s) or a number. Raises ValueError, which says what is expected."""
    if isinstance(size, str):
        found = _SIZE.fullmatch(size.strip())
        factor = _BY_LETTER_CASE.get(found[2].lower()) if found else None
        if found is None or factor is None or not math.isfinite(float(found[1])):
            raise ValueError(f"{size!r} is no size; write bytes, or such as 512MiB, 2GiB, 1.5GB")
        size = int(float(found[1]) * factor)
    if isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise ValueError(f"{size!r} is no size: bytes from 0 up")
    return size


def size_text(size: int) -> str:
    """Short, in 1024s: ``8 GiB``, ``1.5 GiB``, ``512 MiB``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = _UNITS[unit]
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"
