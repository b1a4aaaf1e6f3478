"""How much memory this process has had."""

import resource
import sys

_UNITS_IN_KIB = 1024 if sys.platform == "darwin" else 1  # there in bytes, elsewhere in KiB


def peak_kib() -> int:
    """The most that was resident at once since the process began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNITS_IN_KIB
