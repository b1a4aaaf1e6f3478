"""How Tidemill itself gets into an environment: the very code that runs here, never a package of an index.

From a checkout it is installed editable. From an installation its files are packed into a wheel again.
"""

import base64
import hashlib
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tidemill.ports.environments import EnvironmentFaultError

NAME = "tidemill"
_PACKAGE = Path(__file__).parents[2]
_NOT_PACKED = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}


def checkout() -> Path | None:
    """The folder of the project that this code is run from; None when it was installed."""
    root = _PACKAGE.parent.parent
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        return None
    return root if _PACKAGE.parent.name == "src" and project.get("name") == NAME else None


def identity() -> str:
    """What changes when an environment must have another Tidemill."""
    if (root := checkout()) is not None:
        return f"{root}\n{tomllib.loads((root / 'pyproject.toml').read_text('utf-8'))['project'].get('dependencies')}"
    return _installed().read_text("RECORD") or ""


def pack(folder: Path) -> Path:
    """A wheel of the running installation, in ``folder``. Raises EnvironmentFaultError."""
    found = _installed()
    records = [each for each in found.files or () if _is_packed(each)]
    home = next(each.parent.as_posix() for each in records if each.name == "METADATA")
    wheel = folder / f"{NAME}-{found.version}-py3-none-any.whl"
    lines = []
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        for each in records:
            content = Path(str(found.locate_file(each))).read_bytes()
            archive.writestr(_entry(each.as_posix()), content)
            lines.append(f"{each.as_posix()},sha256={_digest(content)},{len(content)}\n")
        archive.writestr(_entry(f"{home}/RECORD"), "".join([*lines, f"{home}/RECORD,,\n"]))
    return wheel


def _installed() -> Distribution:
    try:
        found = distribution(NAME)
    except PackageNotFoundError:
        found = None
    if found is None or Path(str(found.locate_file(NAME))).resolve() != _PACKAGE.resolve():
        raise EnvironmentFaultError(
            f"Tidemill runs from {_PACKAGE}, which no installer put there: install it, or run it from its checkout"
        )
    return found


def _is_packed(path: PackagePath) -> bool:
    top = path.parts[0]
    return (
        (top == NAME or top.endswith(".dist-info")) and "__pycache__" not in path.parts and path.name not in _NOT_PACKED
    )


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    return entry


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
