"""`tidemill.sleep`: wait, on the loop of async tasks."""

import asyncio
import math
from dataclasses import dataclass

from tidemill.sdk.errors import InvalidInputError


@dataclass(frozen=True)
class Sleep:
    """Waits. It holds a place of its worker meanwhile, and begins anew when that worker is lost.

    Args:
        most_s: the longest that may be asked for.
    """

    most_s: float = 86_400.0
    preset_name: str = "sleep"

    async def __call__(self, seconds: float) -> None:
        """Wait for so many seconds."""
        if not (math.isfinite(seconds) and 0 <= seconds <= self.most_s):
            raise InvalidInputError("", [("$.seconds", f"must be from 0 to {self.most_s:g}")])
        await asyncio.sleep(seconds)
