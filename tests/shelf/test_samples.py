import shutil
import subprocess
import sys
from pathlib import Path

from tests.shelf.plain_run import SAMPLES, files_of

SHELF = SAMPLES.parent


def test_the_samples_are_small() -> None:
    assert sum(path.stat().st_size for _, path in files_of(SAMPLES)) < 1_000_000


def test_drawing_the_samples_again_gives_the_same_files(tmp_path: Path) -> None:
    again = tmp_path / "samples"
    shutil.copytree(SAMPLES, again)
    subprocess.run([sys.executable, SHELF / "make_samples.py", again], check=True, timeout=60)
    assert {name: path.read_bytes() for name, path in files_of(again)} == {
        name: path.read_bytes() for name, path in files_of(SAMPLES)
    }
