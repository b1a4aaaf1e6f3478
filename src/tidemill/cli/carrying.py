"""`tidemill runs export` and `import`: a run as one file."""

from collections.abc import AsyncIterator
from pathlib import Path

import click

from tidemill.cli.asking import ask, print_json
from tidemill.cli.beginnings import run_of
from tidemill.cli.options import Output, output_option, url_option
from tidemill.client.remote import AsyncClient
from tidemill.wire.exports import Imported

PIECE = 1024 * 1024


@click.command("export")
@click.argument("run")
@click.option("-o", "--output-file", "place", type=click.Path(path_type=Path), help="[default: RUN.tidemill]")
@url_option
@output_option
def export(run: str, place: Path | None, url: str | None, output: Output) -> None:
    """Write a run that ended into one file: rows, logs, files, with checksums. With --json: {"run", "file", "bytes"}.

    The file appears when it is whole.
    """

    async def exporting(client: AsyncClient) -> tuple[str, Path, int]:
        found = await run_of(client, run)
        target = place or Path(f"{found.id}.tidemill")
        part = target.with_name(f"{target.name}.part")
        count = 0
        try:
            with part.open("wb") as file:
                async for chunk in found.export():
                    count += file.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return found.id, target, count

    name, target, count = ask(url, exporting)
    if output is Output.JSON:
        print_json({"run": name, "file": str(target), "bytes": count})
    else:
        click.echo(f"{target}: {count:,} bytes")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@url_option
@output_option
def import_(file: Path, url: str | None, output: Output) -> None:
    """Take in a run that was exported, under its own id. It can be looked at and forked, and is never executed.

    With --json: {"run", "workflow", "status", "rows", "blobs"}.
    """

    async def pieces() -> AsyncIterator[bytes]:
        with file.open("rb") as stream:
            while piece := stream.read(PIECE):
                yield piece

    async def importing(client: AsyncClient) -> Imported:
        return await client.import_run(pieces())

    found = ask(url, importing)
    if output is Output.JSON:
        print_json(found)
    else:
        click.echo(f"{found.run}  {found.workflow}  {found.status}: {found.rows:,} rows, {found.blobs:,} files")
