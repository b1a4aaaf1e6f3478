"""What a run leaves on disk: its files, and a note of where they are for runs that follow."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tidemill.cli.show import files_in
from tidemill.client.remote import AsyncClient
from tidemill.sdk.file import File

FOLDER = Path("tidemill-out")


async def fetch_files(client: AsyncClient, value: Any, folder: Path) -> dict[str, Path]:
    """Download each file inside a result; where it is now, by its way there. What is there already stays."""
    found: dict[str, Path] = {}
    taken: dict[Path, str] = {}
    for way, file in files_in(value):
        path = folder / _safe(file)
        if taken.setdefault(path, file.digest) != file.digest:
            path = path.with_name(f"{file.digest.removeprefix('sha256:')[:8]}-{path.name}")
        if not _is_there(path, file):
            path.parent.mkdir(parents=True, exist_ok=True)
            await client.download(file, path)
        found[way] = path
    return found


def _safe(file: File) -> str:
    """The file's own name, kept inside the folder."""
    parts = [part for part in PurePosixPath(file.name).parts if part not in ("/", "..", ".")]
    return "/".join(parts) or file.digest.removeprefix("sha256:")


def _is_there(path: Path, file: File) -> bool:
    return path.is_file() and path.stat().st_size == file.size and File(path).digest == file.digest


def remember(data: Path, target: str, files: Mapping[str, Path]) -> None:
    """Note where the files of a success are, by the last part of their way and by their own names."""
    place = _note(data, target)
    known = _known(place)
    for way, path in files.items():
        names = [path.stem, way.rpartition(".")[2]]
        known |= {name: str(path.resolve()) for name in names if name}
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(known, indent=1), "utf-8")


def recall(data: Path, target: str, names: Sequence[str]) -> dict[str, Path]:
    """Files of these names that runs of the target left, and that are still there."""
    known = _known(_note(data, target))
    return {name: Path(known[name]) for name in names if name in known and Path(known[name]).is_file()}


def _note(data: Path, target: str) -> Path:
    key = str(Path(target).resolve()) if Path(target).exists() else target
    return data / "outputs" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _known(place: Path) -> dict[str, str]:
    try:
        known = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
