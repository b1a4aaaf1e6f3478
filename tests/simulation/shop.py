"""A user's program for the simulated world: all that tasks may do, and a bank that counts what was done to it."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from tidemill import (
    Context,
    Depends,
    File,
    TransientError,
    Worker,
    injected,
    map_over,
    wait_signal,
    workflow,
)


@dataclass
class Bank:
    """The world outside: effects by key, and how often each was asked for."""

    charges: dict[str, int] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def charge(self, key: str, cents: int) -> None:
        self.asked[key] += 1
        self.charges[key] = cents

    def charge_again(self, key: str, cents: int) -> None:
        """As banks do that know no keys."""
        self.charges[key] = self.charges.get(key, 0) + cents


def open_bank() -> Bank:
    raise AssertionError("tests give their own")


shop = Worker("shop")
Paid = Annotated[Bank, Depends(open_bank)]


@shop.task
async def price(item: str) -> int:
    await asyncio.sleep(2)
    return len(item)


@shop.task
def total(prices: list[int]) -> int:
    time.sleep(3600)
    return sum(prices)


@shop.task(retries=5)
def reserve(ctx: Context, cents: int) -> int:
    if ctx.attempt == 1:
        raise TransientError("the stock is being counted", retry_after=timedelta(hours=2))
    return cents


@shop.task
def charge(ctx: Context, cents: int, *, bank: Paid = injected) -> int:
    bank.charge(ctx.idempotency_key, cents)
    return cents


@shop.task
async def charge_badly(ctx: Context, cents: int, *, bank: Paid = injected) -> int:
    bank.charge_again(ctx.run_id, cents)
    await asyncio.sleep(1)  # the answer of the bank is on its way
    return cents


@shop.task
def draw() -> list[str]:
    return [str(random.random()), str(uuid.uuid4()), str(time.time()), str(random.sample(range(100), 5))]


@shop.task
def fill(ctx: Context, size: int) -> File:
    return ctx.save_bytes("big.bin", b"x" * size)


@shop.task
def size_of(file: File) -> int:
    return len(file.read())


@shop.task
def long_text(size: int) -> str:
    return "word " * size


@shop.task
def length(text: str) -> int:
    return len(text)


@shop.task
def ask_for_price(ctx: Context, item: str) -> int:
    return ctx.submit(price, item).result()


@shop.stream
def count_to(n: int) -> Iterator[int]:
    for number in range(n):
        time.sleep(0.5)
        yield number


@workflow
def order(items: list[str]) -> int:
    return charge(reserve(total(map_over(price, items, window=2))))


@workflow
def carry(size: int) -> int:
    return length(long_text(size))


@workflow
def kept(size: int) -> int:
    return size_of(fill(size))


@workflow
def confirmed(item: str) -> int:
    return charge(wait_signal("go", int, within=timedelta(days=1), after=price(item)))
