"""Chance, from the operating system."""

import os


class OsEntropy:
    def bytes(self, count: int) -> bytes:
        return os.urandom(count)
