"""Scatter and gather: primes are counted in 10,000 parts, and added up."""

from tidemill import Worker, map_over, workflow

PART = 100  # numbers in one part

scatter = Worker("scatter", concurrency=64)


@scatter.task
def cut(parts: int) -> list[int]:
    """Where each part begins."""
    return [part * PART for part in range(parts)]


@scatter.task
def count_primes(start: int) -> int:
    return sum(is_prime(number) for number in range(start, start + PART))


def is_prime(number: int) -> bool:
    if number < 4:
        return number > 1
    return number % 2 == 1 and all(number % divisor for divisor in range(3, int(number**0.5) + 1, 2))


@scatter.task
def add_up(counts: list[int]) -> int:
    return sum(counts)


@workflow
def primes(parts: int = 10_000) -> int:
    """Count the primes below PARTS times 100."""
    return add_up(map_over(count_primes, cut(parts), window=200))
