"""GET /metrics: how the server is, for Prometheus."""

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.tallies import Sample, exposition
from tidemill.engine.engine import Engine

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def send(self, request: Request) -> Response:
        waiting = sum(count.waiting for count in await self._engine.queries.queue_counts())
        seats = self._engine.seats.all()
        figures = [
            Sample("tidemill_queue_waiting", waiting),
            Sample("tidemill_workers_connected", sum(seat.tell is not None for seat in seats)),
            Sample("tidemill_attempts_held", sum(len(seat.held) for seat in seats)),
        ]
        return Response(exposition([*figures, *self._engine.tallies.samples()]), media_type=TEXT)
