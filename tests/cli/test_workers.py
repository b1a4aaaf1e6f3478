"""Workers as the command line and their health server show them: real processes."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import MILL, Mill
from tests.faults.processes import free_port


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mill, str, str]]:
    """A server with two workers of one name: one says much of itself, the other nothing."""
    folder: Path = tmp_path_factory.mktemp("mill")
    (folder / "mill.py").write_text(MILL)
    mill, health = Mill(folder), f"127.0.0.1:{free_port()}"
    own = {
        "TIDEMILL_WORKER_TYPE": "box",
        "TIDEMILL_LABELS": "zone=a",
        "TIDEMILL_RESOURCES": "cpus=2,ram=1GiB,gpus=none",
        "TIDEMILL_HEALTH": health,
    }
    with (
        mill.server() as (_, url),
        mill.process("worker", "mill.py", "--url", url, "--id", "box-1", **own) as one,
        mill.process("worker", "mill.py", "--url", url, TIDEMILL_DATA=str(folder / "a")) as two,
        mill.process("worker", "mill.py", "--url", url, TIDEMILL_DATA=str(folder / "b")) as three,
    ):
        for each in (one, two, three):
            each.wait_for("connected")
        yield mill, url, health


@pytest.mark.feature("D16")
def test_ids_are_set_or_made_and_unique_and_lists_go_by_type_and_label(there: tuple[Mill, str, str]) -> None:
    mill, url, _ = there
    every = mill.tidemill("workers", "--json", "--url", url).json["workers"]
    ids = [each["id"] for each in every]
    assert len(set(ids)) == 3, "two data folders of one machine give two ids"
    assert sum(name.startswith("mill@") for name in ids) == 2
    for asked in (["--type", "box"], ["--label", "zone=a"]):
        assert [each["id"] for each in mill.tidemill("workers", *asked, "--json", "--url", url).json["workers"]] == [
            "box-1"
        ]
    assert mill.tidemill("workers", "--label", "zone=b", "--json", "--url", url).json["workers"] == []
    wrong = mill.tidemill("workers", "--label", "zone", "--url", url)
    assert (wrong.code, "is not NAME=VALUE" in wrong.err) == (2, True)


@pytest.mark.feature("D17")
def test_one_worker_is_shown_with_what_it_offers(there: tuple[Mill, str, str]) -> None:
    mill, url, _ = there
    assert mill.tidemill("workers", "show", "bo", "--json", "--url", url).json["worker"]["id"] == "box-1"
    several = mill.tidemill("workers", "show", "mill@", "--url", url)
    assert (several.code, several.err.startswith("tidemill: several workers begin with mill@: mill@")) == (2, True)
    said = mill.tidemill("workers", "show", "box-1", "--url", url)
    assert said.code == 0, said.err
    assert said.out.startswith("box-1 connected")
    lines = dict(line.split(maxsplit=1) for line in said.out.splitlines() if line.startswith("  "))
    assert (lines["type"], lines["cores"], lines["RAM"], lines["labels"]) == ("box", "2", "1 GiB", "zone=a")
    found = mill.tidemill("workers", "show", "box-1", "--json", "--url", url).json
    assert (found["worker"]["id"], found["attempts"]) == ("box-1", [])
    missing = mill.tidemill("workers", "show", "nobody", "--url", url)
    assert missing.code != 0
    assert "nobody" in missing.err


@pytest.mark.feature("D17")
def test_the_health_server_tells_the_status(there: tuple[Mill, str, str]) -> None:
    with urllib.request.urlopen(f"http://{there[2]}/status", timeout=5) as answer:  # loopback
        assert answer.headers["content-type"] == "application/json"
        status = json.loads(answer.read())
    assert (status["id"], status["type"], status["connected"], status["attempts"]) == ("box-1", "box", True, [])
    assert status["resources"] == {"cpus": 2.0, "ram": 1024**3}
    assert status["free"] > 0
