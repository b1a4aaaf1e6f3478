"""Seeded chance. Each purpose and each link draws from a stream of its own, so that a fault elsewhere moves nothing."""

from collections.abc import Callable
from random import Random

Chance = Callable[[], float]  # 0 <= x < 1; `random()` alone is the same on every Python


def stream(seed: str, *purpose: object) -> Chance:
    return Random("/".join(map(str, (seed, *purpose)))).random


class SimEntropy:
    """The Entropy port of one process."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def bytes(self, count: int) -> bytes:
        return bytes(int(self._chance() * 256) for _ in range(count))
