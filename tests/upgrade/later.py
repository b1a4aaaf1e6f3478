"""A task that nobody serves while a database is made."""

from tidemill import Worker

later = Worker("later")


@later.task
def patient(x: int) -> int:
    return -x
