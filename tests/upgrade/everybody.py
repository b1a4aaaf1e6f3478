"""All workers of the yard in one process."""

from tests.upgrade.later import later
from tests.upgrade.yard import yard

__all__ = ["later", "yard"]
