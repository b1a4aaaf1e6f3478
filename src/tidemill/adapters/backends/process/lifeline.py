"""What a child asks of the machine: to die with its worker, and what its bodies leave behind."""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_OOM_SCORE = "800"  # of 1000: when memory runs out, the kernel takes this process, not its worker


def become_child(lifeline: int) -> None:
    """Die with the worker, with all of the group, even while a C call holds the interpreter; keep grandchildren."""
    if sys.platform != "linux":
        return  # the end of the socket says it too, once the interpreter is free
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_NONBLOCK | fcntl.FASYNC)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    try:
        os.read(lifeline, 1)
    except BlockingIOError:
        return
    os.killpg(0, signal.SIGKILL)  # the worker died before we listened


def has_children() -> bool:
    """Whether processes that this one started, or adopted, still run; those that ended are buried."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def rss_bytes() -> int:
    """Memory in use; 0 where it cannot be asked."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
