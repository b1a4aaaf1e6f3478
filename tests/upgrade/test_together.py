"""Versions that meet: an old worker at a new server, a new worker at an old one, as real processes.

Within a major version of the protocol both work: fields and messages that a peer does not know are passed over.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.processes import NOW, House
from tests.upgrade.versions import VERSIONS, sources

FOUND = {"quick": 2, "slow": 20, "mapped": 12, "chained": 40, "large": 100_000}
EACH = [pytest.param(each, marks=() if each == "tasks" else pytest.mark.slow) for each in VERSIONS]


def code_of(version: str, folder: Path) -> Path:
    code = sources(version, folder / "code")
    if code is None:
        pytest.skip(f"the history of this repository is not at hand, so the code of {version!r} is not either")
    return code


def check(house: House, server: Path, worker: Path) -> dict[str, Any]:
    house.gate.touch()
    house.server(server)
    house.worker("everybody", worker)
    house.wait_for("yard.quick", '"live":true')
    found: dict[str, Any] = json.loads(house.run(server, "-m", "tests.upgrade.calls", house.url))
    assert found.pop("bad").endswith("Error")
    assert found == FOUND
    assert "Traceback" not in house.logs().replace("ValueError: 4 is bad", "")
    return found


@pytest.mark.parametrize("version", EACH)
def test_an_old_worker_works_for_this_server(version: str, tmp_path: Path) -> None:
    with House(tmp_path) as house:
        check(house, NOW, code_of(version, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_this_worker_works_for_an_old_server(version: str, tmp_path: Path) -> None:
    with House(tmp_path) as house:
        check(house, code_of(version, tmp_path), NOW)


def test_a_worker_of_another_major_version_is_told_what_to_do(tmp_path: Path) -> None:
    """Its process ends with the reason, and does not dial for ever."""
    code = code_of("workflows", tmp_path)
    wire = code / "tidemill" / "wire" / "worker.py"
    wire.write_text(wire.read_text().replace('PROTOCOL = "1.0"', 'PROTOCOL = "2.0"'))
    with House(tmp_path) as house:
        house.server()
        worker = house.worker("everybody", code)
        assert worker.wait(60) != 0
        told = house.logs()
        assert "the worker speaks protocol 2.0, the server 1" in told
        assert "install the version of tidemill that the server has" in told
