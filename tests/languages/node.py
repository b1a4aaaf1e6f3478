"""Node, where it is there."""

import shutil
import subprocess
from functools import cache

LEAST = 20


@cache
def why_not() -> str:
    """Why nothing in JavaScript can be run here; "" when it can."""
    node = shutil.which("node")
    if node is None:
        return "there is no node here"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    major = said.removeprefix("v").partition(".")[0]
    return "" if major.isdecimal() and int(major) >= LEAST else f"node is {said.strip()}, and {LEAST} is needed"
