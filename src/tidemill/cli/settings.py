"""`tidemill settings`: each setting, its value and where that comes from."""

import json
from typing import Any

import click

from tidemill.assembly.setting_kinds import KINDS, as_text
from tidemill.assembly.settings import PREFIX, Found, Settings, find_settings
from tidemill.cli.options import Output, output_option
from tidemill.core.version import VERSION

_HEAD = """# Settings

A setting is what stands last in this row: its default, `tidemill.toml`, its variable, the command line or your code.
The file is looked for where a command runs, then in each folder above; `TIDEMILL_CONFIG` names another.
`tidemill settings` says what counts here, and why.

A name that there is not is refused, with the nearest one; so is a value that makes no sense. Nothing is put in its
place. In the file a list is a list and pairs are a table; folders are relative to the file:

```toml
concurrency = 8
allowed_hosts = ["mill.example"]

[labels]
site = "north"

[workers.media]        # of one Worker of a process, where its code says nothing
concurrency = 2
pools = { video = 1 }
```

"""


@click.command()
@output_option
@click.option("--reference", is_flag=True, help="Print the page about all settings, in Markdown.")
def settings(output: Output, **said: bool) -> None:
    """Each setting, its value here, and where that comes from."""
    if said["reference"]:
        click.echo(page(), nl=False)
        return
    found = find_settings({})
    if output is Output.JSON:
        click.echo(json.dumps({name: _row(found, name) for name in KINDS}, indent=2))
        return
    width = max(map(len, KINDS))
    for name in KINDS:
        row = _row(found, name)
        click.echo(f"{name:<{width}}  {row['value'] or '-':<24}  {row['source']}")
    for worker, share in found.settings.workers.items():
        click.echo(f"[workers.{worker}]  {share}")


def _row(found: Found, name: str) -> dict[str, str]:
    value, show = getattr(found.settings, name), KINDS[name].show
    return {
        "value": show(value) if show and value else shown(value),
        "source": found.sources.get(name, "default"),
        "variable": f"{PREFIX}{name.upper()}",
        "meaning": KINDS[name].doc,
    }


def shown(value: Any) -> str:
    """A value in one line."""
    try:
        return "" if value is None else as_text(value)
    except ValueError:
        return str(value)


def page() -> str:
    """The reference page: each setting with its variable, default, and its name elsewhere."""
    defaults = Settings()
    rows = ["| setting | variable | meaning | default | elsewhere |", "| --- | --- | --- | --- | --- |"]
    for name, kind in KINDS.items():
        default = shown(getattr(defaults, name))
        cells = [
            f"`{name}`",
            f"`{PREFIX}{name.upper()}`",
            f"{kind.doc}; {kind.expected}",
            f"`{default}`" if default else "",
            "; ".join(kind.were),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return _HEAD + "\n".join(rows) + f"\n\nOf version {VERSION}; printed by `tidemill settings --reference`.\n"
