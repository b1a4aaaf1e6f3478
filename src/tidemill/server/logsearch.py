"""Lines of a log that hold a text, or are serious enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from tidemill.core.ids import Path, RunId
from tidemill.ports.logs import LogRow, Logs
from tidemill.server.problems import refuse

PAGE = 500
MOST_LOOKED_AT = 20_000  # lines for one answer; the next one goes on behind them
LONGEST = 500  # characters of a text to be found
RANKS = {"DEBUG": 10, "INFO": 20, "STDOUT": 20, "STDERR": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


@dataclass(frozen=True)
class Wanted:
    """``level`` is the least; STDOUT and STDERR mean just these."""

    text: str = ""
    level: str = ""

    def fits(self, row: LogRow) -> bool:
        if self.level in ("STDOUT", "STDERR"):
            if row.level != self.level:
                return False
        elif self.level and RANKS.get(row.level, 20) < RANKS[self.level]:
            return False
        return not self.text or self.text in row.text.casefold()


def wanted(request: Request) -> Wanted:
    text, level = request.query_params.get("q", ""), request.query_params.get("level", "").upper()
    if level and level not in RANKS:
        raise refuse("bad_request", f"?level= is one of {', '.join(RANKS)}, not {level[:50]!r}")
    if len(text) > LONGEST:
        raise refuse("bad_request", f"?q= has at most {LONGEST} characters")
    return Wanted(text.casefold(), level)


@dataclass(frozen=True)
class Place:
    run: RunId
    path: Path | None
    after: int


async def find(logs: Logs, place: Place, wanted: Wanted, limit: int) -> tuple[Sequence[tuple[int, LogRow]], int]:
    """Lines that fit, and the number of the last one that was looked at."""
    found: list[tuple[int, LogRow]] = []
    after, looked = place.after, 0
    while looked < MOST_LOOKED_AT:
        page = await logs.read(place.run, place.path, after, PAGE if wanted != Wanted() else limit)
        for number, row in page:
            after = number
            if wanted.fits(row):
                found.append((number, row))
                if len(found) >= limit:
                    return found, after
        looked += len(page)
        if not page or wanted == Wanted():
            break
    return found, after
