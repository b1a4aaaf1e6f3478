"""What is reported of an attempt that has ended: pure."""

from collections.abc import Mapping

import msgspec

from tidemill.core.bodies import Completed, Crashed
from tidemill.core.errors import TidemillError, UnavailableError
from tidemill.core.run import Code, End, Failure
from tidemill.core.values import Value
from tidemill.ports.blobs import BlobDamagedError
from tidemill.sdk.failures import classify
from tidemill.wire.worker import Failed, Published, Released, Succeeded
from tidemill.worker.attempt import LiveAttempt, Stop, Why

_CODES = {Why.CANCEL: Code.CANCELLED, Why.TIMEOUT: Code.TIMEOUT, Why.SILENCE: Code.TIMEOUT}


TOO_LATE = Failure(code=Code.TIMEOUT, message="it came to its end after its timeout")


def lateness(attempt: LiveAttempt) -> Stop | None:
    """Why what a body gave does not count: it took longer than its timeout, and nobody else told it to stop."""
    limit_s, took_s = attempt.assign.timeout_s, attempt.seen - attempt.began
    if limit_s is None or took_s <= limit_s or (attempt.stop and attempt.stop.why is not Why.TIMEOUT):
        return None
    return Stop(Why.TIMEOUT, f"no end after {limit_s:g} s: what it gave after {took_s:.3g} s came too late", 0.0)


def failed(attempt: LiveAttempt, failure: Failure, artifacts: tuple[Published, ...]) -> Failed:
    """The report of a body that raised without having been told to stop."""
    return Failed(attempt.ref, _unasked(failure), None, artifacts, attempt.took(), attempt.measures)


def stopped(attempt: LiveAttempt, stop: Stop, proof: End, failure: Failure | None = None) -> Failed | Released | None:
    """The report of an attempt that was told to stop, with the proof that it did."""
    if stop.why is Why.STALE:
        return None
    if stop.why is Why.DRAIN:
        return Released(attempt.ref, stop.text)
    said = failure or Failure(code=_CODES[stop.why], message="")
    said = msgspec.structs.replace(said, code=_CODES[stop.why], message=stop.text)
    return Failed(attempt.ref, said, proof, (), attempt.took(), attempt.measures)


def succeeded(
    attempt: LiveAttempt, completed: Completed, outputs: Mapping[str, Value], artifacts: tuple[Published, ...]
) -> Succeeded:
    told = completed.status, artifacts, completed.adjustments, attempt.took(), attempt.measures
    return Succeeded(attempt.ref, dict(outputs), *told)


def crashed(crash: Crashed) -> Failure:
    """The process of the body is lost, as a worker is when it dies: that counts apart from the task's retries."""
    return Failure(code=Code.WORKER_LOST, message=crash.text, type=crash.how)


def on_the_way(error: TidemillError | OSError) -> Failure:
    """Inputs did not come, or outputs did not go. What may work later, or on another worker, is tried again."""
    failure = classify(error, told_to_stop=False)
    if failure.code is Code.INTERNAL and isinstance(error, UnavailableError | BlobDamagedError | OSError):
        return msgspec.structs.replace(failure, code=Code.TRANSIENT)
    return failure


def _unasked(failure: Failure) -> Failure:
    """A body that calls itself cancelled although nobody told it to stop has failed."""
    if failure.code is not Code.CANCELLED:
        return failure
    text = f"it raised {failure.type or 'a cancellation'} without having been cancelled"
    return msgspec.structs.replace(failure, code=Code.INTERNAL, message=text)
