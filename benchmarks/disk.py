"""The disk under a folder: what a durable write costs on it."""

import os
import time
from pathlib import Path

from benchmarks.accounts import parse_file_system
from benchmarks.figures import percentile

IN_MEMORY = ("tmpfs", "ramfs")


def fdatasync_ms(folder: Path, times: int = 200) -> dict[str, float]:
    """Of writing 4 KiB over and syncing them, in milliseconds."""
    path = folder / "fdatasync.probe"
    block = os.urandom(4096)
    spent = []
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, block, 0)
        os.fsync(file)
        for _ in range(times):
            began = time.perf_counter()
            os.pwrite(file, block, 0)
            os.fdatasync(file)
            spent.append((time.perf_counter() - began) * 1e3)
    finally:
        os.close(file)
        path.unlink()
    return {"p50": percentile(spent, 0.5), "p99": percentile(spent, 0.99)}


def file_system(folder: Path) -> str:
    return parse_file_system(Path("/proc/mounts").read_text(), str(folder.resolve()))
