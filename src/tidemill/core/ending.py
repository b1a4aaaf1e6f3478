"""How a run ends: told to, after all that lives has stopped and was swept."""

from msgspec.structs import replace

from tidemill.core import keys
from tidemill.core.children import timer
from tidemill.core.commands import RunEnded
from tidemill.core.errors import InputError
from tidemill.core.ground import Ground
from tidemill.core.overlay import Draft
from tidemill.core.resolve import SkippedError
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import (
    MOVING,
    Cancelled,
    Cancelling,
    Code,
    Ended,
    Failed,
    Failure,
    Halted,
    Outcome,
    Pending,
    Run,
    Succeeded,
)
from tidemill.core.values import Source


class Ending(Ground):
    """The end of one run, on one draft."""

    def __init__(self, draft: Draft, run: Run) -> None:
        super().__init__(draft, run)
        self._found: dict[str, Source] = {}  # the outputs of the run, once they were looked for

    def end_well(self, status: str = "") -> None:
        """All nodes are done, or a machine came to its end: the run succeeds, if its outputs lead somewhere."""
        try:
            self._found = self._outputs()
        except SkippedError as error:
            self.end_run(Failed(Failure(Code.PERMANENT, f"the output of the run: {error}", path=error.path)))
        except InputError as error:
            self.end_run(Failed(Failure(Code.INVALID_INPUT, f"the output of the run: {error}")))
        else:
            self.end_run(Succeeded(status or self.resolver.status_of_body("")))

    def _outputs(self) -> dict[str, Source]:
        return {port: self.resolver.resolve("", source) for port, source in self.resolver.outputs().items()}

    def end_run(self, outcome: Outcome) -> None:
        """End with ``outcome``, after all that lives has stopped."""
        run = self.run
        cancelled = isinstance(outcome, Cancelled)
        if not isinstance(run.state, (*MOVING, Pending, Halted) if cancelled else MOVING):
            return  # of what was halted, a person decides
        if isinstance(outcome, Succeeded) and self._is_over_at_once(run):
            self._over(run, outcome)
            return
        self.draft.put_run(replace(run, state=Cancelling(outcome)))
        if run.has_children:
            self.draft.timers_put.append(timer(run.id, self.draft.at))
        if not run.has_begun:
            self.draft.timers_drop.append((run.id, "", TimerKind.START))
            self.finish()
            return
        if not run.live and not run.has_leftovers and (isinstance(outcome, Succeeded) or self._is_lone()):
            self.draft.put_run(replace(self.run, state=Cancelling(outcome, swept=True)))
            self.gone()
            return
        self.draft.timers_put.append(Timer(self.id, "", TimerKind.SWEEP, self.draft.at))
        self.note("run_ending", outcome=type(outcome).__name__.lower())

    def finish(self) -> None:
        """All has stopped and was swept: the run is final."""
        run = self.run
        if not isinstance(run.state, Cancelling):
            return
        self._over(run, run.state.outcome)

    def _is_over_at_once(self, run: Run) -> bool:
        """Whether nothing of a run that succeeded is left to be done: most runs end like this."""
        left = run.live or run.has_leftovers or run.has_children or not run.has_begun
        return not left and self.layout.workflow.final is None

    def _over(self, run: Run, outcome: Outcome) -> None:
        ended = replace(run, state=Ended(outcome), ended_at=self.draft.at)
        self.draft.put_run(ended)
        if run.deadline_at:
            self.draft.timers_drop.append((run.id, "", TimerKind.DEADLINE))
        keys.let_go(self.draft, ended)
        self.note(f"run_{ended.status}", outcome=_detail(outcome))
        outputs = (self._found or self._outputs()) if isinstance(outcome, Succeeded) else {}
        self.draft.order(RunEnded(ended, outputs))

    def _is_lone(self) -> bool:
        """A run of one task leaves nothing behind that a sweep would find."""
        body = self.layout.root.body
        return len(body.needs) == 1 and not body.inner and not self.layout.root.machine

    def swept(self) -> None:
        """A sweep of the whole run came to its end."""
        run = self.run
        if isinstance(run.state, Cancelling):
            self.draft.put_run(replace(run, state=replace(run.state, swept=True)))
            self.gone()

    def gone(self) -> None:
        """End a run that waited for its last live step."""
        run = self.run
        if isinstance(run.state, Cancelling) and run.state.swept and not run.live:
            self.close()

    def close(self) -> None:
        """Nothing lives any more."""
        self.finish()


def _detail(outcome: Outcome) -> object:
    match outcome:
        case Succeeded(status=status):
            return status
        case Failed(failure=failure):
            return failure.message
        case _:
            return outcome.reason
