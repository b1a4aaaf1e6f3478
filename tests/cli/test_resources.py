"""What a machine and its workers offer, as the command line prints it."""

import pytest

from tests.cli.processes import Mill

BOX = "cpus=2,ram=3GiB,gpus=0:24GiB"


@pytest.mark.feature("D7")
def test_what_a_worker_would_offer_is_printed(mill: Mill) -> None:
    (mill.folder / "box.py").write_text(
        'from tidemill import Worker\nbox = Worker("box", software={"ffmpeg": "6.1"})\n'
    )
    said = mill.tidemill("worker", "box.py", "--resources", TIDEMILL_RESOURCES=BOX, TIDEMILL_TAGS="fast")
    assert said.code == 0, said.err
    lines = dict(line.split(maxsplit=1) for line in said.out.splitlines() if not line.startswith("GPU"))
    assert (lines["cores"], lines["RAM"], lines["tags"], lines["software"]) == ("2", "3 GiB", "fast", "ffmpeg 6.1")
    assert "GPU 0     24 GiB" in said.out
    found = mill.tidemill("worker", "--resources", "--json", TIDEMILL_RESOURCES=BOX).json
    assert found["offers"]["resources"] == {
        "cpus": 2.0,
        "ram": 3 * 1024**3,
        "gpus": [{"id": "0", "vram": 24 * 1024**3}],
    }


@pytest.mark.feature("D7")
def test_the_doctor_says_what_the_machine_has(mill: Mill) -> None:
    said = mill.tidemill("doctor")
    [line] = [line for line in said.out.splitlines() if "resources:" in line]
    assert "cores" in line
    assert "of RAM" in line


def test_a_worker_without_a_target_is_told_that_it_lacks_one(mill: Mill) -> None:
    said = mill.tidemill("worker")
    assert (said.code, "Missing argument 'TARGET'" in said.err) == (2, True)
