"""Where a manifest comes from: targets that are imported, a server, or a file that was baked before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tidemill.cli.asking import ask
from tidemill.cli.targets import TargetError, load_target
from tidemill.client.remote import AsyncClient
from tidemill.interface.manifest import Manifest, ManifestError, manifest_of, manifest_of_definitions, parse_manifest
from tidemill.interface.stubs import MANIFEST_FILE
from tidemill.wire.api import TaskView


@dataclass(frozen=True)
class Source:
    """What the command line said; exactly one of them."""

    targets: Sequence[str] = ()
    file: Path | None = None
    server: str | None = None  # its URL, "" for the usual one; None: not asked


def manifest_from(source: Source) -> Manifest:
    """Raises TargetError, ManifestError, click.UsageError, and what a client raises."""
    given = [bool(source.targets), source.file is not None, source.server is not None]
    if sum(given) != 1:
        raise click.UsageError("name targets, or --manifest FILE, or --from-server: one of them")
    if source.file is not None:
        return read_manifest(source.file)
    if source.server is not None:
        return manifest_of_server(ask(source.server or None, AsyncClient.tasks))
    workers = [worker for text in source.targets for worker in load_target(text).workers]
    if not workers:
        raise TargetError(f"{', '.join(source.targets)} declares no worker at its top level")
    return manifest_of(workers)


def manifest_named(text: str) -> Manifest:
    """Of a manifest's file, a package of stubs, or a target. Raises as `manifest_from` does."""
    path = Path(text)
    if path.is_file() and path.suffix == ".json":
        return read_manifest(path)
    if (path / MANIFEST_FILE).is_file():
        return read_manifest(path / MANIFEST_FILE)
    return manifest_from(Source((text,)))


def read_manifest(file: Path) -> Manifest:
    """Raises ManifestError."""
    try:
        return parse_manifest(file.read_bytes())
    except OSError as error:
        raise ManifestError(f"cannot read {file}: {error.strerror}") from None
    except ManifestError as error:
        raise ManifestError(f"{file}: {error}") from None


def manifest_of_server(views: Sequence[TaskView]) -> Manifest:
    """The newest version of each task; one that a worker serves now goes before one that was served once."""
    ordered = sorted(views, key=lambda view: (view.live, view.announced_at))
    return manifest_of_definitions(view.definition for view in ordered)
