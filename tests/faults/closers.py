"""A workflow and a machine that fail, take back what they did, and tidy up; each effect is noted with its key."""

import time
from pathlib import Path

from tidemill import Context, PermanentError, StateMachine, Worker, finally_, workflow

yard = Worker("yard")
WITHIN_S = 60.0


def write(ctx: Context, folder: str, what: str) -> None:
    """Note that it was begun; go on when the test lets this one; note that it was done."""
    place = Path(folder)
    with (place / "journal.txt").open("a") as out:
        out.write(f"began {what} {ctx.idempotency_key}\n")
    ends = time.monotonic() + WITHIN_S
    while (place / f"hold {what}").exists():
        if time.monotonic() > ends:
            raise PermanentError("nobody let it go on")
        time.sleep(0.01)
    with (place / "journal.txt").open("a") as out:
        out.write(f"{what} {ctx.idempotency_key}\n")


@yard.task
def book(ctx: Context, folder: str, what: str) -> tuple[str, str]:
    write(ctx, folder, f"book-{what}")
    return folder, what


@yard.task
def unbook(ctx: Context, booking: tuple[str, str]) -> None:
    folder, what = booking
    write(ctx, folder, f"unbook-{what}")


@yard.task
def pay(folder: str) -> str:
    raise PermanentError(f"there is no money in {Path(folder).name}")


@yard.task
def tidy(ctx: Context, folder: str, what: str) -> None:
    write(ctx, folder, f"tidy-{what}")


def booked_and_paid(folder: str) -> str:
    first = book.options(name="first", undo=unbook)(folder, "first")
    second = book.options(name="second", undo=unbook, after=first)(folder, "second")
    third = book.options(name="third", undo=unbook, after=second)(folder, "third")
    return pay.options(after=third)(folder)


def tidied(folder: str) -> None:
    room = tidy.options(name="room")(folder, "room")
    tidy.options(name="yard", after=room)(folder, "yard")


@workflow
def trip(folder: str) -> str:
    finally_(lambda: tidied(folder))
    return booked_and_paid(folder)


round_trip = StateMachine("round_trip")


@round_trip.state
def travel(folder: str) -> str:
    return booked_and_paid(folder)


@round_trip.finally_
def end(folder: str) -> None:
    tidied(folder)


travel.otherwise(to=round_trip.end("success", output=travel.output))
