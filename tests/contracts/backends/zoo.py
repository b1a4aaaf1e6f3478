"""Bodies that behave, and bodies that do not. Whatever they do is bounded: this runs on a machine with other users."""

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tidemill import Backend, Context, File, PermanentError, Processes, TaskFiles, Worker, injected
from tidemill.sdk.file import stored

MIB = 1024 * 1024

zoo = Worker("zoo", backend=Backend.PROCESS, processes=Processes(count=5))


# Those that behave -----------------------------------------------------------------------------------


@zoo.task
def double(x: int) -> int:
    return 2 * x


@zoo.task
async def double_later(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@zoo.task
def pid() -> int:
    return os.getpid()


@zoo.task
def who(ctx: Context) -> list[str]:
    return [ctx.run_id, ctx.step_path, str(ctx.attempt), ctx.task, ctx.worker, str(ctx.deadline)]


@zoo.task
def refuse(x: int) -> int:
    raise PermanentError(f"{x} is too much")


@zoo.task
def speak(ctx: Context) -> None:
    ctx.progress(0.5, "half", "way")
    ctx.heartbeat("alive")
    ctx.emit("page_done", {"page": 3})
    ctx.metric("pages", 1.5, "s")
    logging.getLogger("zoo").warning("logged")
    print("printed")
    print("no end", end="", file=sys.stderr)


@zoo.task
def speak_in_thread() -> None:
    thread = threading.Thread(target=lambda: logging.getLogger("zoo").warning("from a thread"))
    thread.start()
    thread.join()


@zoo.task
def keep(ctx: Context, text: str, *, files: TaskFiles = injected) -> str:
    files.write("note.txt", text)
    ctx.save_bytes("a.txt", text.encode())
    ctx.save_file("b.txt", files.path_to("note.txt"))
    return files.read_text("note.txt")


@zoo.stream
def count(upto: int) -> Iterator[int]:
    yield from range(upto)


@zoo.stream
async def count_later(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


@zoo.task
def wait(ctx: Context) -> str:
    """Sync code that looks."""
    ctx.progress(0.0)
    while not ctx.cancelled:
        time.sleep(0.005)
    return "seen"


@zoo.task
async def wait_later(ctx: Context) -> str:
    ctx.progress(0.0)
    await asyncio.sleep(60)
    return "never"


@zoo.task(backend=Backend.INLINE)
async def live_beside(ctx: Context) -> str:
    """In the worker's own process."""
    while not ctx.cancelled:  # noqa: ASYNC110 - the code of a user who polls
        await asyncio.sleep(0.01)
    return "seen"


@zoo.task
def fail_when_told(ctx: Context) -> None:
    ctx.progress(0.0)
    while not ctx.cancelled:
        time.sleep(0.005)
    raise ValueError("anything")


@zoo.stream
def count_slowly(ctx: Context) -> Iterator[int]:
    for number in range(10_000):
        ctx.progress(0.0)
        yield number
        time.sleep(0.01)


@zoo.task(timeout=2, retries=0)
def overtime(ctx: Context) -> None:
    while True:
        ctx.heartbeat()
        time.sleep(0.05)


@zoo.task(silence=2, retries=0)
async def fall_silent() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


# Those that do not -----------------------------------------------------------------------------------


@zoo.task
def segfault() -> None:
    print("last words", flush=True)
    ctypes.string_at(0)


@zoo.task
def leave(code: int) -> None:
    os._exit(code)


@zoo.task
def killed() -> None:
    """What the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@zoo.task
def eat(limit_mib: int) -> int:
    """More memory than there is, by a limit of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (limit_mib * MIB, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        return len(bytearray(2 * limit_mib * MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@zoo.task
def ignore(ctx: Context) -> None:
    """Neither SIGTERM nor a cancel; and an interpreter that is never let go would be no worse."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.progress(0.0)
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


@zoo.task
def hold(ctx: Context) -> None:
    """A C call that does not let the interpreter go."""
    ctx.progress(0.0)
    time.sleep(0.05)  # what was said is sent
    ctypes.PyDLL(None).sleep(60)


@zoo.task
async def swallow(ctx: Context) -> None:
    ctx.progress(0.0)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@zoo.task
def breed(ctx: Context, note: str) -> None:
    """A family: a child of its group, and one that has left the group; both go on."""
    quick = [subprocess.Popen(["sleep", "60"]), subprocess.Popen(["sleep", "60"], start_new_session=True)]
    Path(note).write_text(" ".join(str(each.pid) for each in quick))
    ctx.progress(0.0)
    time.sleep(60)


@zoo.task
def abandon(note: str) -> str:
    """It ends well, and leaves processes behind."""
    left = [subprocess.Popen(["sleep", "60"]), subprocess.Popen(["sleep", "60"], start_new_session=True)]
    Path(note).write_text(" ".join(str(each.pid) for each in left))
    return "done"


@zoo.task
def bomb(ctx: Context, most: int) -> int:
    """Forks that fork, up to a bound."""
    ctx.progress(0.0)
    born = 1
    while born < most:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        born += 1
    time.sleep(60)
    return born


@zoo.task
def shout(mib: int) -> str:
    line = b"x" * 1023 + b"\n"
    for _ in range(mib):
        os.write(1, line * 64)
        for _ in range(15):
            os.write(1, line * 64)
    print("the end")
    return "said"


@zoo.task
def one_line(mib: int) -> None:
    for _ in range(mib * 16):
        os.write(2, b"y" * 65536)


@zoo.task
def mumble() -> None:
    os.write(1, b"caf\xe9\n\xff\xfe\n")
    subprocess.run(["sh", "-c", "echo from a program; echo to the other >&2"], check=True)


@zoo.task
def heavy(mib: int) -> bytes:
    return bytes(mib * MIB)


@zoo.task
def recurse() -> int:
    def down(n: int) -> int:
        return 1 + down(n + 1)

    return down(0)


@zoo.task
def recurse_for_ever() -> int:
    """In C that nothing counts; of Python's own functions each version says RecursionError at another depth."""
    nest: tuple[object, ...] = ()
    for _ in range(10**6):
        nest = (nest,)
    return hash(nest)


@zoo.task
def crowd(files: int) -> list[File]:
    """More digests than a report of a result has room for."""
    return [stored(digest=f"sha256:{each:064x}", size=1, name="") for each in range(files)]


@zoo.task
def close_files() -> None:
    os.closerange(0, 512)
    time.sleep(60)


@zoo.task
def scribble() -> None:
    """Bytes into the connection to the worker, which a confused program may have in its hands."""
    os.write(int(sys.argv[-2]), b"\xff" * 64)
    time.sleep(60)


@zoo.task
def corrupt_output() -> int:
    os.close(1)
    os.close(2)
    sys.stdout = None  # type: ignore[assignment]
    return 7


@zoo.task
def not_a_number() -> float:
    return float("nan")


@zoo.task
def cycle() -> list[object]:
    ring: list[object] = []
    ring.append(ring)
    return ring


@zoo.task
def some_bytes() -> bytes:
    return b"\x00\xff"


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")

    __repr__ = __str__


@zoo.task
def raise_unspeakable() -> None:
    raise UnspeakableError


@zoo.task
def raise_half_a_character() -> None:
    print("\udcff")
    raise ValueError("\udcff")


@zoo.task
def claim_a_loss() -> None:
    error = ValueError("it says")
    error.code = "worker_lost"  # type: ignore[attr-defined]
    raise error


@zoo.task
def fill(ctx: Context, mib: int, *, files: TaskFiles = injected) -> None:
    """The disk, by a limit of its own."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (mib * MIB, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN) if threading.current_thread() is threading.main_thread() else None
    with files.open("big", "wb") as file:
        for _ in range(2 * mib):
            file.write(bytes(MIB))
