"""The health server of a worker: alive, ready, and a few figures. It needs no token and tells no secret.

It answers from a thread of its own, so it stays alive while user code holds the loops.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tidemill.core.errors import InputError
from tidemill.core.tallies import Sample, exposition

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
JSON = "application/json"
Answer = tuple[HTTPStatus, str, str]  # status, body, media type


class HealthAddressError(InputError):
    """The address of the health server cannot be used."""


class Health:
    """What is told under each path.

    Args:
        is_ready: whether the process takes work.
        figures: the metrics, as they are when asked.
        status: what runs here, and what there is for it, as JSON.
    """

    def __init__(
        self, is_ready: Callable[[], bool], figures: Callable[[], Sequence[Sample]], status: Callable[[], str]
    ) -> None:
        self._is_ready, self._figures, self._status = is_ready, figures, status

    def answer(self, path: str) -> Answer:
        match path.partition("?")[0]:
            case "/healthz":
                return HTTPStatus.OK, "alive\n", PLAIN
            case "/readyz" if self._is_ready():
                return HTTPStatus.OK, "ready\n", PLAIN
            case "/readyz":
                return HTTPStatus.SERVICE_UNAVAILABLE, "not connected, or draining\n", PLAIN
            case "/metrics":
                return HTTPStatus.OK, exposition(self._figures()), PLAIN
            case "/status":
                return HTTPStatus.OK, self._status(), JSON
            case _:
                return HTTPStatus.NOT_FOUND, "there is /healthz, /readyz, /metrics and /status\n", PLAIN


@contextmanager
def health_served(address: tuple[str, int], health: Health) -> Iterator[int]:
    """Serve while the block runs; give the port (0 takes any free one). Raises HealthAddressError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds for a peer that says nothing

        def do_GET(self) -> None:
            status, text, media_type = health.answer(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Probes are no news."""

    try:
        server = ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise HealthAddressError(f"cannot serve health at {address[0]}:{address[1]}: {error.strerror}") from None
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="tidemill-health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
