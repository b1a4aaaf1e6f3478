"""A saga: three bookings, each with a task that takes it back, and an end that is tidied however it comes out."""

import json
from pathlib import Path

from tidemill import Context, PermanentError, Worker, finally_, workflow

journey = Worker("journey")


def ledger(name: str) -> Path:
    return Path(f"{name}.ledger.jsonl")


def write(name: str, key: str, what: str) -> None:
    """Note a booking once, however often it is tried: the key is the same in every attempt of a step."""
    file = ledger(name)
    known = file.read_text().splitlines() if file.exists() else []
    line = json.dumps({"key": key, "what": what})
    if line not in known:
        with file.open("a") as out:
            out.write(line + "\n")


@journey.task
def book_seat(ctx: Context, name: str) -> str:
    write(name, ctx.idempotency_key, "seat booked")
    return name


@journey.task
def cancel_seat(ctx: Context, name: str) -> None:
    write(name, ctx.idempotency_key, "seat cancelled")


@journey.task
def book_room(ctx: Context, name: str) -> str:
    write(name, ctx.idempotency_key, "room booked")
    return name


@journey.task
def cancel_room(ctx: Context, name: str) -> None:
    write(name, ctx.idempotency_key, "room cancelled")


@journey.task
def pay(ctx: Context, seat: str, room: str, budget: int) -> str:
    if budget < 300:
        raise PermanentError(f"a seat and a room cost 300, and there are {budget}")
    write(seat, ctx.idempotency_key, "paid")
    return f"{room} travels"


@journey.task
def close_account(ctx: Context, name: str) -> None:
    write(name, ctx.idempotency_key, "account closed")


@workflow
def travel(name: str = "Ada", budget: int = 500) -> str:
    """Book a seat and a room, and pay for them with BUDGET."""
    finally_(lambda: close_account(name))
    seat = book_seat.options(undo=cancel_seat)(name)
    room = book_room.options(undo=cancel_room)(name)
    return pay(seat, room, budget)
