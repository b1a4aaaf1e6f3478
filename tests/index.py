"""The package index that uv asks here, where there is one."""

import subprocess
from functools import cache

from tidemill.adapters.environments.uv import find_uv


@cache
def why_not() -> str:
    """Why no environment can be filled here; "" when one can: a small package is looked for, past each cache."""
    try:
        asked = [find_uv(), "pip", "install", "--dry-run", "--no-cache", "--target", "nowhere", "iniconfig"]
        done = subprocess.run(asked, capture_output=True, timeout=20, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        done = 1
    return "no package index can be reached from here, and environments are filled from one" if done else ""
