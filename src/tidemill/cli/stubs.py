"""`tidemill stubs`: typed functions for the callers of workers."""

from pathlib import Path

import click

from tidemill.cli.main import Exit
from tidemill.cli.manifests import Source, manifest_from
from tidemill.cli.options import url_option
from tidemill.interface.diff import diff, lines_of
from tidemill.interface.writing import differences, write_manifest_stubs, written_manifest


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A package's folder, or one module: x.py.")
@click.option("--manifest", "file", type=click.Path(path_type=Path), help="Read this manifest; import nothing.")
@click.option("--from-server", is_flag=True, default=False, help="The tasks that a server knows.")
@click.option("--check", is_flag=True, default=False, help="Write nothing; exit code 1 when the stubs are stale.")
@url_option
def stubs(targets: tuple[str, ...], out: Path, file: Path | None, url: str | None, **flags: bool) -> Exit:
    """Write typed functions for callers of the tasks of TARGETS: to use in workflows and to submit.

    TARGETS are as for `tidemill worker`. The stubs need neither the workers' code nor what it imports.
    """
    server = (url or "") if flags["from_server"] else None
    manifest = manifest_from(Source(targets, file, server))
    if flags["check"]:
        stale = differences(manifest, out)
        for each in stale:
            click.echo(f"{each.file}: {each.what}")
        if not stale:
            return Exit.OK
        if (before := written_manifest(out)) is not None:
            click.echo("".join(f"{line}\n" for line in lines_of(diff(before, manifest))), nl=False)
        click.echo(f"the stubs are stale; write them anew: tidemill stubs {' '.join(_asked(targets, file, out))}")
        return Exit.FAILED
    written = write_manifest_stubs(manifest, out)
    for path in written:
        click.echo(f"{'wrote' if path.exists() else 'took away'} {path}")
    if not written:
        click.echo(f"{out} is current")
    return Exit.OK


def _asked(targets: tuple[str, ...], file: Path | None, out: Path) -> list[str]:
    source = [*targets] or ([f"--manifest {file}"] if file else ["--from-server"])
    return [*source, "--out", str(out)]
