"""The machine's clock, for what users call by itself."""

from tidemill.adapters.system.clock import SystemClock


def now_s() -> float:
    """Seconds since 1970, UTC."""
    return SystemClock().now() / 1_000_000
