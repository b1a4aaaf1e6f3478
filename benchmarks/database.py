"""`python -m benchmarks.database FILE`: a PostgreSQL with its defaults, until told to end; its address goes to FILE."""

import signal
import sys
from pathlib import Path

from tests.postgres import PostgresServer, installations


def main() -> None:
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
