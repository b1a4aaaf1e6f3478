"""What a step waits for, in words, and how somebody would end it."""

import re
from collections.abc import Sequence

from tidemill.core.ids import text_of
from tidemill.core.texts import moment
from tidemill.core.wait_rows import WaitKind, WaitRow

_PLAIN = re.compile(r"[\w.:-]+")


def explain_wait(row: WaitRow) -> tuple[tuple[str, ...], str]:
    """The reasons and the advice."""
    until = " for ever" if row.until_at is None else f" until {moment(row.until_at)}"
    run = text_of(row.run)
    match row.kind:
        case WaitKind.TIME:
            return (f"it waits{until}",), ""
        case WaitKind.EVENT:
            of_type = f"an event {row.name!r} of a task of this run"
            return (f"it waits{until} for {of_type}",), f'a task that calls ctx.emit("{row.name}", …) ends it'
        case WaitKind.SIGNAL if row.key:
            who = f"the signal {row.name!r} for the key {row.key!r}"
            return (f"it waits{until} for {who}",), f"tidemill signal {row.name} PAYLOAD --key {row.key}"
        case WaitKind.SIGNAL:
            return (f"it waits{until} for the signal {row.name!r}",), f"tidemill signal {run} {row.name} PAYLOAD"
        case WaitKind.QUARANTINE:
            return (f"it is quarantined: {row.question}",), f"tidemill quarantine release {run} {row.path}"
        case WaitKind.APPROVAL:
            how = f"tidemill approve {run} {row.path} --choice {choices_text(row.choices)}"
            return (f"it asks{until}: {row.question}",), how


def choices_text(choices: Sequence[str]) -> str:
    """For a shell: `yes|no`, and in quotes where it would take one apart."""
    return "|".join(each if _PLAIN.fullmatch(each) else "'" + each.replace("'", "'\\''") + "'" for each in choices)
