"""Upgrade a store, and die at one statement after the other: `python -m tests.upgrade.deaths STORE`.

Before each statement that opening the store runs, a process ends by `os._exit`; another one then opens what is left.
What it finds there must be what an upgrade without a death gives. Prints how many deaths there were.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import apsw

from tidemill.adapters.storage.sqlite.connection import Schema, Synchronous, open_writer

DEAD = 77


def content(path: Path) -> list[Any]:
    """Every row of every table, and the schema."""
    db = apsw.Connection(str(path))
    found: list[Any] = db.execute("select type, name, sql from sqlite_schema order by type, name").fetchall()
    found.append(db.pragma("user_version"))
    for (table,) in db.execute("select name from sqlite_schema where type = 'table' order by name").fetchall():
        found.append((table, sorted(map(repr, db.execute(f'select * from "{table}"').fetchall()))))
    db.close()
    return found


def upgrade(path: Path, die_at: int) -> None:
    """Ends the process: with DEAD at the statement of that number (from 0), or with 0."""
    left = [die_at]

    def trace(*_: Any) -> bool:
        if left[0] == 0:
            os._exit(DEAD)
        left[0] -= 1
        return True

    apsw.connection_hooks.append(lambda db: db.set_exec_trace(trace))
    open_writer(str(path), Schema.STORE, Synchronous.FULL, None).close()
    os._exit(0)


def in_a_process(path: Path, die_at: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            upgrade(path, die_at)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(store: Path) -> None:
    whole = store.with_name("whole.db")
    shutil.copy(store, whole)
    assert in_a_process(whole, -1) == 0
    wanted = content(whole)
    for death in range(10_000):
        torn = store.with_name(f"torn{death}.db")
        shutil.copy(store, torn)
        code = in_a_process(torn, death)
        if code == 0:
            print(f"{death} deaths")
            return
        assert code == DEAD, f"the upgrade ends with {code}"
        assert in_a_process(torn, -1) == 0, f"after a death at statement {death} it cannot be opened"
        assert content(torn) == wanted, f"after a death at statement {death} it holds something else"
        for each in store.parent.glob(f"{torn.name}*"):
            each.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
