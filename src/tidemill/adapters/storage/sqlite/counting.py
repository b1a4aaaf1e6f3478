"""Counts of what SQLite does, for tests of the cost laws; nothing is traced unless they ask for it."""

from typing import Any

import apsw

from tidemill.ports.store import Counts


class Meter:
    def __init__(self) -> None:
        self._statements = 0
        self._vm_steps = 0
        self._watched: list[apsw.Connection] = []

    def watch(self, db: apsw.Connection) -> None:
        self._watched.append(db)
        db.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._note)

    def counts(self) -> Counts:
        rows = sum(db.total_changes() for db in self._watched)
        return Counts(statements=self._statements, rows_written=rows, vm_steps=self._vm_steps)

    def _note(self, event: dict[str, Any]) -> None:
        self._statements += 1
        self._vm_steps += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]
