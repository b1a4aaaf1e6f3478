"""What a new table holds of rows that were there before it, where SQL alone cannot say: done once, at opening."""

import apsw

from tidemill.adapters.storage.sqlite.connection import fetch
from tidemill.adapters.storage.sqlite.packing import tag_bindings, unpack_run
from tidemill.adapters.storage.sqlite.statements import statements

_BITE = 1000


def fill_tags(db: apsw.Connection) -> None:
    """Let runs of a store that is older than the table of tags be found by theirs."""
    sql, save = statements("open"), statements("save")
    if fetch(db, sql["is_tagged"]):
        return
    after = b""
    with db:
        while rows := fetch(db, sql["runs_after"], (after, _BITE)):
            runs = [unpack_run(packed) for (packed,) in rows]
            tagged = {run.id: run.tags for run in runs if run.tags}
            db.executemany(save["tagged_drop"], [(run,) for run in tagged])
            db.executemany(save["tagged"], tag_bindings(tagged))
            after = runs[-1].id
        db.execute(sql["tag"])
