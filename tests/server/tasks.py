"""What the worker of these tests can do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tidemill.core.errors import InputError
from tidemill.sdk.context import Context
from tidemill.sdk.file import File
from tidemill.sdk.worker import Worker

media = Worker("media")


@dataclass(frozen=True)
class Order:
    name: str
    copies: int = 1


@media.task
def add(a: int, b: int = 2) -> int:
    return a + b


@media.task
async def echo(data: bytes) -> bytes:
    return data


@media.task
def price(order: Order) -> float:
    return 2.5 * order.copies


@media.task(ignore_unknown=True)
def lenient(a: int) -> int:
    return a


@media.task
def broken(text: str) -> str:
    raise InputError(text)


@media.task
async def sleepy(ctx: Context, seconds: float) -> float:
    ctx.progress(0.5, "half", "way")
    logging.getLogger("media").info("going to sleep")
    await asyncio.sleep(seconds)
    return seconds


@media.stream
async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


@media.task
def shout(ctx: Context, file: File) -> File:
    return ctx.save_bytes("loud.txt", file.read().upper(), media_type="text/plain")
