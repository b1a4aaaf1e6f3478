"""`tidemill store advise` and `vacuum`: the size of a data folder, and making its files small again."""

from pathlib import Path

import click

from tidemill.assembly.settings import read_settings
from tidemill.cli.asking import print_json
from tidemill.cli.options import Output, data_option, output_option
from tidemill.cli.show import size, span, table


@click.command()
@data_option
@output_option
def advise(data: Path | None, output: Output) -> None:
    """How large a data folder is, what of it is free or would go, and whether a vacuum is worth it.

    A server may run meanwhile. With --json: {"files", "blobs", "blob_bytes", "going", "disk_free", "needs", "takes_s",
    "advice": [...]}.
    """
    from tidemill.assembly.vacuum import advise as look

    settings = read_settings({"data": data})
    found = look(settings.data, settings.retain)
    if output is Output.JSON:
        print_json(found)
        return
    rows = [(each.name, size(each.size), size(each.free), size(each.log)) for each in found.files]
    for line in table([*rows, ("blobs", size(found.blob_bytes), "", "")], ("file", "size", "free in it", "log")):
        click.echo(line)
    click.echo(f"{found.blobs:,} blobs; {size(found.disk_free)} free on the disk")
    click.echo(f"a vacuum takes about {span(found.takes_s)}, and needs {size(found.needs)} meanwhile")
    for each in found.advice:
        click.echo(f"- {each}")
    click.echo("- on PostgreSQL autovacuum does this; after a large removal: VACUUM (ANALYZE), at a quiet hour")


@click.command()
@data_option
@output_option
def vacuum(data: Path | None, output: Output) -> None:
    """Write the databases of a data folder anew, without what is free in them. Stop the server first.

    Killed in the middle, they are as they were. With --json: {"files": [{"name", "before", "after"}]}.
    """
    from tidemill.assembly.vacuum import vacuum_data

    done = vacuum_data(read_settings({"data": data}).data)
    if output is Output.JSON:
        print_json({"files": [{"name": one.name, "before": one.size, "after": two.size} for one, two in done]})
        return
    for before, after in done:
        click.echo(f"{before.name}: {size(before.size)}, now {size(after.size)}")
