"""Being told to stop: by a signal, or by the end of the process that started this one."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto


class Ends(Enum):
    WHEN_TOLD = auto()
    WITH_PARENT = auto()  # which holds our standard input open: when that ends, so does this process, at once


@contextmanager
def first_cause() -> Iterator[None]:
    """Of the errors of a group the first one, as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


@contextmanager
def told_to_stop(gently: Callable[[], None], ends: Ends, stop: threading.Event | None = None) -> Iterator[None]:
    """On the running loop: SIGTERM, SIGINT or ``stop`` calls ``gently``; the second signal ends the process at once.

    Handlers that were there before are put back. In another thread than the main one signals are left alone.
    """
    with _heard(gently, ends), _watched(gently, stop):
        yield


@contextmanager
def _watched(gently: Callable[[], None], stop: threading.Event | None) -> Iterator[None]:
    if stop is None:
        yield
        return
    loop, is_over = asyncio.get_running_loop(), threading.Event()

    def watch() -> None:
        stop.wait()
        if not is_over.is_set():
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(gently)

    threading.Thread(target=watch, name="tidemill-stop", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


@contextmanager
def _heard(gently: Callable[[], None], ends: Ends) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    heard: list[int] = []

    def hear(number: int) -> None:
        heard.append(number)
        if len(heard) > 1:
            os._exit(128 + number)
        gently()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        loop.add_signal_handler(number, hear, number)
    file = _watch_parent(loop) if ends is Ends.WITH_PARENT else None
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            if handler is not None:
                signal.signal(number, handler)
        if file is not None:
            loop.remove_reader(file)


def _watch_parent(loop: asyncio.AbstractEventLoop) -> int:
    """It works on each system, also after kill -9 of the parent; what was under way goes on from the store."""
    file = sys.__stdin__.fileno() if sys.__stdin__ is not None else os.open(os.devnull, os.O_RDONLY)

    def hear() -> None:
        if not os.read(file, 4096):
            os._exit(0)

    loop.add_reader(file, hear)
    return file
