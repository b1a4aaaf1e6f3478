"""Servers and workers as processes: what they say, how they end, what they refuse."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import Mill, environment, is_alive, until

WORKER_LIMIT_KIB, SERVER_LIMIT_KIB = 40 * 1024, 120 * 1024


@pytest.mark.feature("D13")
def test_sigterm_drains_a_worker_and_its_task_ends(mill: Mill) -> None:
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        with mill.process("run", "mill.py", "--workflow", "slow", "--x", "1", "--seconds", "6", "--url", url) as run:
            until(lambda: held(mill, url), lambda: "an attempt")
            worker.send(signal.SIGTERM)
            assert worker.ended() == 0, worker.said
            assert "draining" in worker.said
            assert run.ended() == 0, run.said
    assert mill.executed() == ["1"]


@pytest.mark.feature("D13")
def test_a_second_sigterm_ends_a_worker_at_once(mill: Mill) -> None:
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        with mill.process("run", "mill.py", "--workflow", "slow", "--x", "1", "--seconds", "50", "--url", url):
            until(lambda: held(mill, url), lambda: "an attempt")
            worker.send(signal.SIGTERM)
            worker.wait_for("draining")
            worker.send(signal.SIGTERM)
            assert worker.ended() == 128 + signal.SIGTERM


def held(mill: Mill, url: str) -> int:
    return sum(
        each["held"] for each in mill.tidemill("workers", "--json", "--url", url).json["workers"] if "held" in each
    )


def test_a_server_stops_in_order(mill: Mill) -> None:
    with mill.server() as (server, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        server.send(signal.SIGTERM)
        assert server.ended() == 0, server.said
        worker.wait_for("no connection")
        assert worker.popen.poll() is None


def test_a_worker_comes_back_under_its_name_after_kill_9(mill: Mill) -> None:
    with mill.server() as (_, url):
        with mill.process("worker", "mill.py", "--url", url) as first:
            name = first.wait_for(r"worker (\S+) serves")[1]
            first.wait_for("connected")
            first.send(signal.SIGKILL)
            first.ended()
        with mill.process("worker", "mill.py", "--url", url) as second:
            assert second.wait_for(r"worker (\S+) serves")[1] == name
            second.wait_for("connected")
            with mill.process("worker", "mill.py", "--url", url) as third:
                assert third.wait_for(r"worker (\S+) serves")[1] == f"{name}-2"


def test_one_worker_id_has_one_process_here(mill: Mill) -> None:
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url, "--id", "w1") as worker:
        worker.wait_for("connected")
        said = mill.tidemill("worker", "mill.py", "--url", url, "--id", "w1")
        assert said.code == 2
        assert "a worker with the id w1 runs here already" in said.err


def test_a_port_that_is_taken_is_named(mill: Mill) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = mill.tidemill("server", "--port", port)
    assert said.code == 2
    assert f"port {port} on 127.0.0.1 is taken by another program" in said.err


def test_two_servers_do_not_share_a_data_folder(mill: Mill) -> None:
    with mill.server():
        said = mill.tidemill("server", "--port", "0")
        assert said.code == 2
        assert "is in use by another server" in said.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"TIDEMILL_PROT": "1"}, "there is no setting TIDEMILL_PROT; did you mean TIDEMILL_PORT?"),
        ({"TIDEMILL_PORT": "high"}, "TIDEMILL_PORT is 'high'; expected a whole number"),
        ({"TIDEMILL_LEASE_S": "-1"}, "TIDEMILL_LEASE_S is '-1'; expected seconds above 0"),
        ({"TIDEMILL_URL": "localhost"}, "expected an address such as http://127.0.0.1:7070"),
        ({"TIDEMILL_SYNCHRONOUS": "off"}, "expected full or normal"),
        ({"TIDEMILL_DATA": "/proc/none"}, "cannot use /proc/none as the data folder"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(mill: Mill, settings: dict[str, str], words: str) -> None:
    said = mill.tidemill("server", **settings)
    assert said.code == 2
    assert words in said.err


@pytest.mark.parametrize("name", ["server", "worker"])
def test_a_child_ends_when_its_parent_is_gone(mill: Mill, name: str) -> None:
    arguments = {"server": "'server', '--port', '0'", "worker": "'worker', 'mill.py', '--url', 'http://127.0.0.1:9'"}
    code = (
        "import subprocess, sys, time;"
        f"child = subprocess.Popen([sys.executable, '-m', 'tidemill', {arguments[name]}, '--end-with-parent'],"
        " stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE if 0 else None);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=mill.folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        ready = mill.folder / ".tidemill" / {"server": "server.url", "worker": "workers"}[name]
        until(ready.exists, lambda: f"{ready}")
        parent.kill()
    until(lambda: not is_alive(child), lambda: f"the end of {child}")


def test_an_idle_server_and_worker_are_small(mill: Mill) -> None:
    with mill.server() as (server, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        assert pss_kib(worker.popen.pid) < WORKER_LIMIT_KIB
        assert pss_kib(server.popen.pid) < SERVER_LIMIT_KIB


def pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@pytest.mark.feature("N1")
def test_dev_reloads_a_worker_when_its_file_is_saved(mill: Mill) -> None:
    with mill.process("dev", "mill.py", "--port", "0") as dev:
        url = dev.wait_for(r"page: (http://\S+)")[1]
        dev.wait_for("connected")
        text = (mill.folder / "mill.py").read_text()
        (mill.folder / "mill.py").write_text(text.replace("return 2 * x", "return 3 * x"))
        dev.wait_for("mill.py changed: reloading(.|\n)*connected")
        said = mill.tidemill("run", "mill.py", "--workflow", "double", "--x", "2", "--json", "--url", url)
        assert said.json["value"] == 6
        dev.send(signal.SIGINT)
        assert dev.ended() == 0, dev.said
