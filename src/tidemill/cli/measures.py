"""What attempts took and measured, in two tables."""

from collections.abc import Iterator, Sequence

from tidemill.cli.show import size, span, table
from tidemill.wire.api import AttemptView, MeasureView


def lines_of_attempts(attempts: Sequence[AttemptView]) -> Iterator[str]:
    if attempts:
        yield ""
        yield from table(
            [_times(each) for each in attempts], ("attempt", "queued", "fetch", "run", "store", "peak memory")
        )
    if measured := [_measured(each, measure) for each in attempts for measure in each.metrics]:
        yield ""
        yield from table(measured, ("attempt", "metric", "last", "unit", "count", "sum"))


def _times(attempt: AttemptView) -> tuple[str, ...]:
    lengths = (attempt.queued_s, attempt.fetch_s, attempt.run_s, attempt.store_s)
    memory = "" if attempt.peak_memory_bytes is None else size(attempt.peak_memory_bytes)
    return (_name(attempt), *("" if length is None else span(length) for length in lengths), memory)


def _measured(attempt: AttemptView, each: MeasureView) -> tuple[str, ...]:
    return (_name(attempt), each.name, f"{each.last:.6g}", each.unit, f"{each.count}", f"{each.sum:.6g}")


def _name(attempt: AttemptView) -> str:
    return f"{attempt.path}#{attempt.number}"
