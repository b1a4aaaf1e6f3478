"""A report for each night, and for the nights that it missed.

    python examples/nightly/main.py                              # here, on a server of its own: the last three nights
    python examples/nightly/main.py http://127.0.0.1:7070        # have a server keep the schedule; again to change it

The tasks are served by `tidemill worker examples/nightly/main.py`.
"""

import sys
from datetime import UTC, date, datetime, timedelta

from tidemill import CatchUp, Client, Overlap, Schedule, Worker, workflow
from tidemill.testing.local import local

desk = Worker("desk")


@desk.task
def count_orders(day: date) -> int:
    """Stands for a query: some number that is the same for the same day."""
    return day.toordinal() % 97


@desk.task
def write_report(day: date, orders: int) -> str:
    return f"{day:%A, %d %B %Y}: {orders} orders"


@workflow
def nightly_report(day: date) -> str:
    return write_report(day, count_orders(day))


NIGHTLY = Schedule(
    name="nightly-report",
    target=nightly_report,
    inputs={"day": "$due_date"},
    cron="30 2 * * *",
    zone="Europe/Berlin",
    overlap=Overlap.QUEUE,
    catch_up=CatchUp.ALL,
    catch_up_window=timedelta(days=7),
)


def keep(client: Client) -> None:
    """Does no harm when it is done again."""
    view = client.schedules.put(NIGHTLY)
    print(f"{view.name} is due next at {view.next[0]}")


def rehearse() -> None:
    """Keep it on a server of its own, and make up for three nights."""
    with local(desk) as client:
        keep(client)
        until = datetime.now(UTC)
        nights = client.schedules.backfill(NIGHTLY.name, until - timedelta(days=3), until).due
        for night in nights:
            line = client.schedules.trigger(NIGHTLY.name, datetime.fromisoformat(night.due_at), Overlap.ALLOW)
            print(client.run(line.run).result(30))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with Client(sys.argv[1]) as remote:
            keep(remote)
    else:
        rehearse()
