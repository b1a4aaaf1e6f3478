"""Write the database of an earlier version, with the code of that version: `python -m tests.upgrade.make workers`.

The server is killed while runs are in all kinds of states. What comes out is kept for ever: a version that was
released does not write another one.
"""

import json
import lzma
import sqlite3
import sys
import tempfile
from pathlib import Path

from tests.upgrade.processes import House
from tests.upgrade.versions import DATABASES, ROOT, sources


def make(version: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = sources(version, folder / "code")
        assert code is not None, "this needs the history of the repository"
        with House(folder) as old:
            old.server(code)
            announcing = old.worker("later", code)
            old.worker("yard", code)
            old.wait_for("later.patient", "yard.quick")
            announcing.terminate()  # its task is known, and waits
            announcing.wait()
            runs = json.loads(old.run(code, "-m", "tests.upgrade.scene", old.url))
        keep(version, old.data, runs)


def keep(version: str, data: Path, runs: dict[str, list[object]]) -> None:
    with sqlite3.connect(data / "tidemill.db") as db:
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
        db.execute("pragma journal_mode = delete").fetchall()
        db.execute("vacuum")
    db.close()
    written = (data / "tidemill.db").read_bytes()
    for path in (ROOT, data.parent):  # tracebacks have them; the length of a row must stay
        written = written.replace(str(path).encode(), b"/".ljust(len(str(path)), b"x"))
    packed = lzma.compress(written, preset=9)
    DATABASES.mkdir(exist_ok=True)
    (DATABASES / f"{version}.db.xz").write_bytes(packed)
    (DATABASES / f"{version}.json").write_text(json.dumps(runs, indent=1) + "\n")
    print(f"{version}: {len(packed)} bytes, {len(runs)} runs")


if __name__ == "__main__":
    for each in sys.argv[1:]:
        make(each)
