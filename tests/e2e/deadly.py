"""Tasks that take their worker with them."""

import os

from tidemill import Worker

deadly = Worker("deadly", concurrency=4)


@deadly.task
def dies(x: int) -> int:
    os._exit(x)


@deadly.task
def lives(x: int) -> int:
    return x
