"""A task whose process dies as long as a file is there."""

import os
from pathlib import Path

from tidemill import Backend, Worker

fragile = Worker("fragile")


@fragile.task(backend=Backend.PROCESS)
def careful(flag: str) -> str:
    if Path(flag).exists():
        os.abort()
    return "went on"
