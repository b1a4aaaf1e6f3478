"""How an environment of ours is known from within."""

from pathlib import Path

ABOUT = "tidemill-environment.json"


def digest_in(folder: Path) -> str:
    """The digest of the environment that a folder is; "" where it is none of ours."""
    return folder.name if (folder / ABOUT).exists() else ""
