"""What an attempt is told of itself."""

from collections.abc import Mapping
from datetime import datetime

from tidemill.core.bodies import AttemptFacts
from tidemill.core.ids import BadIdError, digest_of, parse_run_id
from tidemill.core.traces import span_id, trace_id, traceparent


class Told:
    """The part of `Context` that does not change during an attempt."""

    __slots__ = ("_facts",)

    def __init__(self, facts: AttemptFacts) -> None:
        self._facts = facts

    @property
    def run_id(self) -> str:
        return self._facts.run

    @property
    def parent_run(self) -> str:
        """The run whose task started this one; "" when a client did."""
        return self._facts.parent

    @property
    def tenant(self) -> str:
        """Whose run it is; everybody is ``default`` until there are users."""
        return self._facts.tenant

    @property
    def release(self) -> str:
        """The release that the run is pinned to; "" outside of releases."""
        return self._facts.release

    @property
    def trace_id(self) -> str:
        """The trace that the run belongs to, in 32 hexadecimal digits; the same in all its attempts and children."""
        return trace_id(self._run, self._facts.trace)

    @property
    def span_id(self) -> str:
        """This attempt as a span of its trace, in 16 hexadecimal digits."""
        return span_id(self._run, self._facts.path, self._facts.number)

    @property
    def traceparent(self) -> str:
        """Hand it to what you call, as the header ``traceparent`` of the W3C."""
        return traceparent(self._run, self._facts.trace, self.span_id)

    @property
    def _run(self) -> bytes:
        try:
            return parse_run_id(self._facts.run)
        except BadIdError:  # it was called outside a server
            return digest_of(self._facts.run.encode())[:16]

    @property
    def step_path(self) -> str:
        """The place in the run, such as ``pages[17]/embed``; a task that was called alone has its own name."""
        return self._facts.path

    @property
    def attempt(self) -> int:
        """The number of the try, from 1."""
        return self._facts.number

    @property
    def idempotency_key(self) -> str:
        """The same in every attempt of a step, and of no other step: hand it to what has side effects."""
        return f"{self._facts.run}/{self._facts.path}"

    @property
    def task(self) -> str:
        return self._facts.task

    @property
    def worker(self) -> str:
        return self._facts.worker

    @property
    def workflow(self) -> str:
        return self._facts.workflow

    @property
    def priority(self) -> int:
        return self._facts.priority

    @property
    def tags(self) -> Mapping[str, str]:
        return self._facts.tags

    @property
    def deadline(self) -> datetime | None:
        """When this attempt is stopped; None when it may take as long as it likes."""
        return self._facts.deadline
