"""`python -m benchmarks.database FILE`: a PostgreSQL with its defaults, until told to end; its address goes to FILE."""

import signal
import sys
import time
from pathlib import Path

from benchmarks.processes import ProcessEndedError, Program

START_S = 20.0


def start_postgres(folder: Path) -> tuple[Program, str]:
    """One that serves, as a process of its own, and its address."""
    told = folder / "url"
    database = Program("postgres", ["-m", "benchmarks.database", str(told)], folder)
    until = time.monotonic() + START_S
    while not told.exists():
        database.check()
        if time.monotonic() > until:
            database.stop()
            raise ProcessEndedError(f"the database did not start in {START_S:.0f} s")
        time.sleep(0.02)
    return database, told.read_text()


def main() -> None:
    from tests.postgres import PostgresServer, installations

    server = PostgresServer(installations()[0])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.start(shared_buffers="128MB", autovacuum="on")
        told = Path(sys.argv[1])
        part = told.with_suffix(".part")
        part.write_text(server.socket_url())
        part.replace(told)
        signal.pause()
    finally:
        server.close()


if __name__ == "__main__":
    main()
