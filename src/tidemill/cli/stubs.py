"""`tidemill stubs`: typed functions for the callers of workers."""

import json
from pathlib import Path
from typing import Any

import click

from tidemill.cli.main import Exit
from tidemill.cli.manifests import Source, manifest_from
from tidemill.cli.options import Output, output_option, url_option
from tidemill.interface.diff import diff, lines_of
from tidemill.interface.manifest import Manifest
from tidemill.interface.writing import differences, write_manifest_stubs, written_manifest


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A package's folder, or one module: x.py.")
@click.option("--manifest", "file", type=click.Path(path_type=Path), help="Read this manifest; import nothing.")
@click.option("--from-server", is_flag=True, default=False, help="The tasks that a server knows.")
@click.option("--check", is_flag=True, default=False, help="Write nothing; exit code 1 when the stubs are stale.")
@url_option
@output_option
def stubs(targets: tuple[str, ...], out: Path, file: Path | None, url: str | None, **said: Any) -> Exit:
    """Write typed functions for callers of the tasks of TARGETS: to use in workflows and to submit.

    TARGETS are as for `tidemill worker`. The stubs need neither the workers' code nor what it imports.
    """
    server = (url or "") if said["from_server"] else None
    source = Source(targets, file, server)
    manifest = manifest_from(source)
    if said["check"]:
        return _check(manifest, out, _asked(source, out), said["output"])
    written = write_manifest_stubs(manifest, out)
    if said["output"] is Output.JSON:
        click.echo(json.dumps({"written": [str(path) for path in written]}))
        return Exit.OK
    for path in written:
        click.echo(f"{'wrote' if path.exists() else 'took away'} {path}")
    if not written:
        click.echo(f"{out} is current")
    return Exit.OK


def _check(manifest: Manifest, out: Path, asked: str, output: Output) -> Exit:
    stale = differences(manifest, out)
    if output is Output.JSON:
        click.echo(json.dumps({"stale": [{"file": str(each.file), "what": each.what} for each in stale]}))
        return Exit.FAILED if stale else Exit.OK
    for each in stale:
        click.echo(f"{each.file}: {each.what}")
    if not stale:
        return Exit.OK
    if (before := written_manifest(out)) is not None:
        click.echo("".join(f"{line}\n" for line in lines_of(diff(before, manifest))), nl=False)
    click.echo(f"the stubs are stale; write them anew: tidemill stubs {asked}")
    return Exit.FAILED


def _asked(source: Source, out: Path) -> str:
    told = [*source.targets] or ([f"--manifest {source.file}"] if source.file else ["--from-server"])
    return " ".join([*told, "--out", str(out)])
