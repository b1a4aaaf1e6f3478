"""What new columns and tables hold of rows that were there before, where SQL alone cannot say: once, at opening."""

from collections.abc import Callable, Sequence

import apsw

from tidemill.adapters.storage.packing import dates_of, tag_bindings, unpack_graph, unpack_run, unpack_schedule
from tidemill.adapters.storage.sqlite.connection import fetch
from tidemill.adapters.storage.statements import statements
from tidemill.core.chunks import unpack
from tidemill.core.naming import graph_holder, schedule_holder
from tidemill.core.run import Run
from tidemill.core.values import Encoding, blobs_of, refs_in

_BITE = 1000


def fill_all(db: apsw.Connection) -> None:
    """Let runs of an older store be found by their tags and ends, and their chunks name blobs."""
    sql = statements("sqlite/sql/open")
    if not fetch(db, sql["is_tagged"]):
        with db:
            _each_run(db, _tag)
            db.execute(sql["tag"])
    if not fetch(db, sql["is_dated"]):
        with db:
            _each_run(db, _date)
            _name_chunks(db)
            _name_files(db)
            db.execute(sql["date"])


def _each_run(db: apsw.Connection, fill: Callable[[apsw.Connection, Sequence[Run]], None]) -> None:
    after = b""
    while rows := fetch(db, statements("sqlite/sql/open")["runs_after"], (after, _BITE)):
        runs = [unpack_run(packed) for (packed,) in rows]
        fill(db, runs)
        after = runs[-1].id


def _tag(db: apsw.Connection, runs: Sequence[Run]) -> None:
    save = statements("sqlite/sql/save")
    tagged = {run.id: run.tags for run in runs if run.tags}
    db.executemany(save["tagged_drop"], [(run,) for run in tagged])
    db.executemany(save["tagged"], tag_bindings(tagged))


def _date(db: apsw.Connection, runs: Sequence[Run]) -> None:
    dates = [(*dates_of(run), run.id) for run in runs]
    db.executemany(statements("sqlite/sql/open")["set_dates"], [each for each in dates if each[0] or each[1]])


def _name_files(db: apsw.Connection) -> None:
    """Files of constants and of schedules' inputs were not named either."""
    sql = statements("sqlite/sql/open")
    graphs = [unpack_graph(packed) for (packed,) in fetch(db, sql["graphs"])]
    schedules = [unpack_schedule(packed) for (packed,) in fetch(db, sql["schedules"])]
    texts = [(graph_holder(row.digest), row.document) for row in graphs]
    texts += [(schedule_holder(row.id), row.call.input) for row in schedules]
    named = [(holder, digest) for holder, text in texts for digest in refs_in(text, Encoding.JSON)]
    db.executemany(sql["name_if_there"], named)


def _name_chunks(db: apsw.Connection) -> None:
    """Elements of lists that are blobs were not named, since nothing was collected then."""
    key: tuple[object, ...] = (b"", "", "", -1)
    while rows := fetch(db, statements("sqlite/sql/open")["chunks_after"], (*key, _BITE)):
        for run, _, _, _, data in rows:
            named = blobs_of({str(n): each for n, each in enumerate(unpack(data))})
            db.executemany(statements("sqlite/sql/save")["blob_refs"], [(run, digest) for digest in named])
        key = rows[-1][:-1]
