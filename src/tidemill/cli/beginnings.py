"""Runs and workers by the beginning of their ids, where only one begins so; and steps that there are."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from tidemill.client.errors import NotFoundError
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.core.errors import InputError
from tidemill.wire.api import WorkerDetail

SHOWN = 5
_DIGITS, _HEX = 32, frozenset("0123456789abcdef")


class NotOneError(InputError):
    """What was given names nothing, or more than one thing."""


async def run_of(client: AsyncClient, text: str) -> AsyncRun[Any]:
    """The run whose id it is, or begins with it. Raises NotOneError; what is no id at all is left to the server."""
    digits = text.replace("-", "").lower()
    if not 0 < len(digits) < _DIGITS or not set(digits) <= _HEX:
        return client.run(text)
    page = await client.runs(before=digits.ljust(_DIGITS, "f"), limit=SHOWN + 1)  # ids are in order of time
    found = [each.id for each in page.runs if each.id.replace("-", "").startswith(digits)]
    return client.run(_only(found, "run", text))


async def worker_of(client: AsyncClient, name: str) -> WorkerDetail:
    """The worker whose id it is, or begins with it. Raises NotOneError, NotFoundError."""
    try:
        return await client.worker(name)
    except NotFoundError:
        found = list(dict.fromkeys(each.id for each in await client.workers() if name and each.id.startswith(name)))
        if not found:
            raise  # it says what looks like it
        return await client.worker(_only(found, "worker", name))


def _only(found: Sequence[str], what: str, text: str) -> str:
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotOneError(f"no {what} is {text}, and none begins so; `tidemill {what}s` shows those that there are")
    more = ", …" if len(found) > SHOWN else ""
    raise NotOneError(f"several {what}s begin with {text}: {', '.join(found[:SHOWN])}{more}; give more of one")


async def check_step(run: AsyncRun[Any], path: str) -> None:
    """Raises NotOneError when the run has no such step."""
    if await run.step(path) is not None:
        return
    known = [each.path for each in (await run.steps_after("", 1000)).steps]
    near = get_close_matches(path, known, 3, 0.5) or known[:SHOWN]
    said = f"; there are {', '.join(near)}{', …' if len(known) > len(near) else ''}" if near else ""
    raise NotOneError(f"the run {run.id} has no step {path!r}{said}")
