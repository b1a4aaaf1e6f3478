"""A task that may not wait long for a worker, and one that may for ever."""

from tidemill import FOREVER, Worker

impatient = Worker("impatient", concurrency=1)


@impatient.task
def hold(seconds: float) -> None:
    import time

    time.sleep(seconds)


@impatient.task(queue_timeout=0.3)
def soon() -> str:
    return "in time"


@impatient.task(queue_timeout=FOREVER)
def whenever() -> str:
    return "at last"
