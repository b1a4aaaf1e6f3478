"""Threads for work that blocks."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ThreadPool:
    """Commits have a thread of their own, so that no file of a user delays one."""

    def __init__(self, size: int = 4) -> None:
        self._commits = ThreadPoolExecutor(1, "tidemill-commit")
        self._others = ThreadPoolExecutor(size, "tidemill-disk")

    async def call(self, name: str, function: Callable[[], T]) -> T:
        pool = self._commits if name == "store.commit" else self._others
        return await asyncio.get_running_loop().run_in_executor(pool, function)

    def close(self) -> None:
        """Wait for what runs; what was not begun is dropped."""
        self._commits.shutdown(cancel_futures=True)
        self._others.shutdown(cancel_futures=True)
