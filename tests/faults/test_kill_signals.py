"""The server is killed while signals arrive: none that was answered is lost, and none is taken twice."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.processes import Mill
from tidemill import FOREVER, Client, map_over, sleep_for, wait_signal, workflow

SIGNALS = 60


@workflow
def collecting(places: list[int]) -> list[int]:
    return map_over(lambda _: wait_signal("tick", int, within=FOREVER), places, window=SIGNALS)


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.slow
def test_signals_outlive_the_death_of_the_server(tmp_path: Path) -> None:
    mill, port = Mill(tmp_path), free_port()
    url = f"http://127.0.0.1:{port}"
    with ThreadPoolExecutor(8) as pool, Client(url) as client:
        server = mill.process("server", "--port", port)
        with server as first:
            first.wait_for(r"serves (http://\S+)")
            run = client.submit(collecting, list(range(SIGNALS)))
            early = [client.signal("early", n, key="k", id=f"e{n}") for n in range(5)]
            sent = [pool.submit(run.signal, "tick", n, id=f"s{n}") for n in range(SIGNALS // 2)]
            sent[3].result()
            first.send(signal.SIGKILL)
            first.ended()
        with mill.process("server", "--port", port) as second:
            second.wait_for(r"serves (http://\S+)")
            sent += [pool.submit(run.signal, "tick", n, id=f"s{n}") for n in range(SIGNALS // 4, SIGNALS)]
            assert all(each.result().taken for each in sent)
            assert sorted(run.result(timeout=60)) == list(range(SIGNALS))
            again = [client.signal("early", n, key="k", id=f"e{n}") for n in range(5)]
            assert again == early


@pytest.mark.promise("P7")
@pytest.mark.slow
def test_a_timer_outlives_the_death_of_the_server(tmp_path: Path) -> None:

    @workflow
    def napping(topic: str) -> str:
        return sleep_for(timedelta(seconds=2), then=lambda: topic)

    mill, port = Mill(tmp_path), free_port()
    with Client(f"http://127.0.0.1:{port}") as client:
        with mill.process("server", "--port", port) as first:
            first.wait_for(r"serves (http://\S+)")
            run = client.submit(napping, "rested")
            first.send(signal.SIGKILL)
            first.ended()
        with mill.process("server", "--port", port) as second:
            second.wait_for(r"serves (http://\S+)")
            assert run.result(timeout=60) == "rested"
