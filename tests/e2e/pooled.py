"""Tasks that tell how many of them ran at once."""

import threading
import time
from collections import Counter

from tidemill import Worker

pooled = Worker("pooled", concurrency=6, pools={"video": 1, "audio": 2})
_now: Counter[str] = Counter()
_lock = threading.Lock()


def _busy(pool: str) -> int:
    with _lock:
        _now[pool] += 1
        seen = _now[pool]
    time.sleep(0.05)
    with _lock:
        seen = max(seen, _now[pool])
        _now[pool] -= 1
    return seen


@pooled.task(pool="video")
def video(x: int) -> int:
    return _busy("video")


@pooled.task(pool="audio")
def audio(x: int) -> int:
    return _busy("audio")


@pooled.task
def plain(x: int) -> int:
    return _busy("all")
