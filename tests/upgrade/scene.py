"""Bring about one run of each kind of waiting, with the code of the version that is on the path; print their ids.

Run by `make`, beside a server and a worker of that version: `python -m tests.upgrade.scene URL`.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import tidemill
from tests.upgrade import yard
from tests.upgrade.later import patient
from tidemill import Client

HAS_WAITS = hasattr(tidemill, "wait_signal")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("it never is as it should be")
        time.sleep(0.02)


def is_running(run: Any, path: str) -> Callable[[], bool]:
    return lambda: any(step.path == path and step.status in ("running", "waiting") for step in run.steps())


def tasks(client: Client) -> dict[str, tuple[Any, Any]]:
    """By name: the run, and what it must give in the end."""
    done, failed = client.submit(yard.quick, 1), client.submit(yard.bad, 2)
    assert done.result() == 2
    until(lambda: failed.view().status == "failed")
    runs: dict[str, tuple[Any, Any]] = {
        "done": (done, 2),
        "failed": (failed, "failed"),
        "queued": (client.submit(patient, 7), -7),
        "running": (client.submit(yard.slow, 4), 40),
        "retrying": (client.submit(yard.flaky, 5), 105),
        "mapped": (client.submit(yard.mapped, [1, 2, 3, 4, 5]), 30),
        "chained": (client.submit(yard.chained, 1), 20),
        "cancelled": (client.submit(patient, 8), "cancelled"),
        "cancelling": (client.submit(yard.slow, 6), "cancelled"),
    }
    until(is_running(runs["running"][0], "slow"))
    until(is_running(runs["cancelling"][0], "slow"))
    until(is_running(runs["retrying"][0], "flaky"))
    until(lambda: sum(step.status == "succeeded" for step in runs["mapped"][0].steps()) >= 2)
    until(lambda: any(step.status == "succeeded" for step in runs["chained"][0].steps()))
    return runs


def waits(client: Client) -> dict[str, tuple[Any, Any]]:
    from datetime import timedelta

    from tests.upgrade import waits as flows

    runs: dict[str, tuple[Any, Any]] = {
        "signalled": (client.submit(flows.paid), 13),
        "early": (client.submit(flows.paid_early, 1), 23),
        "napping": (client.submit(flows.napping, 1), 2),
        "asking": (client.submit(flows.asking, 1), 2),
        "machine": (client.submit(flows.machine, 1), 20),
        "pending": (client.options(delay=timedelta(seconds=5)).submit(yard.quick, 3), 4),
        "paused": (client.submit(patient, 9), -9),
    }
    runs["early"][0].signal("paid", 22)
    runs["paused"][0].pause("for the upgrade")
    runs["signalled"][0].set({"note": "kept"})
    until(is_running(runs["machine"][0], "second#1/slow"))
    until(is_running(runs["signalled"][0], "paid"))
    client.schedules.put(
        tidemill.Schedule(name="nightly", target=yard.quick, inputs={"x": 1}, cron="30 2 1 1 *", zone="Europe/Berlin")
    )
    return runs


def main(url: str) -> None:
    with Client(url) as client:
        runs = tasks(client)
        if HAS_WAITS:
            runs |= waits(client)
        for name in ("cancelled", "cancelling"):
            runs[name][0].cancel()
        until(lambda: runs["cancelled"][0].view().status == "cancelled")
        until(lambda: runs["cancelling"][0].view().status == "cancelling")
        print(json.dumps({name: [run.id, wanted] for name, (run, wanted) in runs.items()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
