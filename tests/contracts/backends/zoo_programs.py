"""The zoo as programs: one of them, that does what the name of its task says. It is run by a bare Python."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def tell(word: str, told: object = None) -> None:
    print(f"::tidemill {word} {json.dumps(told)}" if told is not None else f"::tidemill {word}", flush=True)


def fail(**told: str) -> None:
    Path(os.environ["TASK_ERROR"]).write_text(json.dumps(told))
    sys.exit(1)


def keep(text: str) -> str:
    for name in ("a.txt", "b.txt"):
        Path(name).write_text(text)
        tell("save", name)
    Path("../note.txt").write_text(text)
    return text


def speak() -> None:
    tell("progress", {"fraction": 0.5, "stage": "half", "message": "way"})
    tell("heartbeat", "alive")
    tell("event", {"type": "page_done", "payload": {"page": 3}})
    tell("metric", {"name": "pages", "value": 1.5, "unit": "s"})
    tell("log", {"level": "warning", "logger": "zoo", "message": "logged"})
    print("printed", flush=True)
    print("no end", end="", file=sys.stderr)


def wait() -> str:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    tell("progress", 0)
    while not told:
        time.sleep(0.005)
    return "seen"


def wait_later() -> str:
    tell("progress", 0)
    time.sleep(60)
    return "never"


def ignore() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("progress", 0)
    while True:
        time.sleep(60)


def count(upto: int) -> None:
    for number in range(upto):
        print("::tidemill item", number)


def who() -> list[str]:
    call = json.loads(Path(os.environ["TASK_CALL"]).read_text())
    it = call["attempt"]
    return [it["run"], it["step"], str(it["number"]), call["task"], it["worker"], str(call["deadline"])]


def raise_half_a_character() -> None:
    sys.stderr.buffer.write(b"\xff half\n")
    sys.exit(1)


def unspeakable() -> None:
    sys.exit(1)


def recurse() -> int:
    return 1 + recurse()


BODIES: dict[str, Callable[..., Any]] = {
    "double": lambda x: 2 * x,
    "double_later": lambda x: 2 * x,
    "who": who,
    "refuse": lambda x: fail(code="permanent", message=f"{x} is too much"),
    "speak": speak,
    "keep": keep,
    "count": count,
    "count_later": count,
    "wait": wait,
    "wait_later": wait_later,
    "ignore": ignore,
    "recurse": recurse,
    "cycle": lambda: "[[[",
    "raise_unspeakable": unspeakable,
    "raise_half_a_character": raise_half_a_character,
    "claim_a_loss": lambda: fail(code="worker_lost", message="it says"),
    "some_bytes": lambda: b"\x00\xff",
    "heavy": lambda mib: bytes(mib * 1024 * 1024),
}


def main() -> None:
    name = os.environ["TASK_NAME"].rpartition(".")[2]
    inputs = json.loads(Path(os.environ["TASK_CALL"]).read_text())["inputs"]
    given = BODIES[name](**{key: part["value"] for key, part in inputs.items()})
    if output := os.environ.get("TASK_OUTPUT_value"):  # noqa: SIM112 - the port is called value
        data = given if isinstance(given, bytes) else given.encode() if name == "cycle" else json.dumps(given).encode()
        Path(output).write_bytes(data)


if __name__ == "__main__":
    main()
else:
    from tests.contracts.backends import zoo as functions
    from tidemill import Worker

    zoo = Worker("zoo")

    def _signature(name: str) -> Callable[..., Any]:
        """That of the function in the zoo, as far as a program can have it."""
        signature = functions.zoo.tasks[f"zoo.{name}"].signature
        kinds = {each.name: each.plan.kind for each in signature.parameters.values()}
        result = Iterator[signature.item.kind] if signature.item else signature.result.kind  # type: ignore[name-defined]

        def declared() -> None: ...

        declared.__name__ = name
        declared.__annotations__ = kinds | {"return": result}
        parameters = ", ".join(kinds)
        made: dict[str, Any] = {}
        exec(f"def {name}({parameters}): ...", made)
        made[name].__annotations__ = declared.__annotations__
        made[name].__code__ = made[name].__code__.replace(co_filename=__file__)
        return made[name]  # type: ignore[no-any-return]

    for each in BODIES:
        zoo.program(command=["python", "-S", "-E", "./zoo_programs.py"])(_signature(each))
