"""Pauses of tasks, queues and workers that are in force."""

from collections.abc import Iterable, Sequence

from tidemill.core.rows import Changes, Pause, PauseKind
from tidemill.core.texts import moment


class Pauses:
    """``revision`` grows with each change."""

    def __init__(self) -> None:
        self._rows: dict[tuple[PauseKind, str], Pause] = {}
        self.revision = 0

    def learn(self, put: Iterable[Pause], dropped: Iterable[Pause] = ()) -> None:
        for row in dropped:
            self._rows.pop((row.kind, row.name), None)
        for row in put:
            self._rows[row.kind, row.name] = row
        self.revision += 1

    def take(self, changes: Changes) -> bool:
        """Those of a beat; whether there are any."""
        if not changes.pauses and not changes.pauses_drop:
            return False
        self.learn(changes.pauses, changes.pauses_drop)
        return True

    def of(self, kind: PauseKind, name: str) -> Pause | None:
        return self._rows.get((kind, name)) if self._rows else None

    def names(self, kind: PauseKind) -> frozenset[str]:
        return frozenset(name for each, name in self._rows if each is kind)

    def all(self) -> Sequence[Pause]:
        return sorted(self._rows.values(), key=lambda row: (row.kind.value, row.name))


def text_of(pause: Pause) -> str:
    """For people: who did it, when, why, and what takes it back."""
    reason = f" ({pause.reason})" if pause.reason else ""
    since = f"paused by {pause.by or 'an operator'} since {moment(pause.since_at)}{reason}"
    return f"{pause.kind.value} {pause.name} is {since}: {advice_of(pause)}"


def advice_of(pause: Pause) -> str:
    return f"tidemill resume --{pause.kind.value} {pause.name}"
