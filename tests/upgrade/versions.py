"""Earlier versions of Tidemill: their code, from the history of this repository, and the databases that they wrote."""

import io
import lzma
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATABASES = Path(__file__).parent / "databases"
# What was there when each of them was the newest: there are no tags yet.
VERSIONS = {
    "tasks": "1bae987",  # the first with a command line
    "files": "fc4e16a",
    "workers": "05f913c",
    "workflows": "46bfbd1",
}


def sources(version: str, folder: Path) -> Path | None:
    """The package of that version, in a folder for PYTHONPATH; None where the history is not at hand."""
    archive = subprocess.run(["git", "archive", VERSIONS[version], "src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


def unpack(version: str, data: Path) -> None:
    """Put what a server of that version left into a data folder."""
    data.mkdir(parents=True, exist_ok=True)
    packed = (DATABASES / f"{version}.db.xz").read_bytes()
    (data / "tidemill.db").write_bytes(lzma.decompress(packed))
