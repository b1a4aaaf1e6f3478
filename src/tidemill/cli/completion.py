"""`tidemill completion`: the script that lets a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from tidemill.cli.main import cli

VARIABLE = "_TIDEMILL_COMPLETE"  # what the script sets when it asks us
SHELLS = {
    "bash": 'eval "$(tidemill completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(tidemill completion zsh)"    in ~/.zshrc',
    "fish": "tidemill completion fish > ~/.config/fish/completions/tidemill.fish",
}


@click.command(epilog="\b\n" + "\n".join(SHELLS.values()))
@click.argument("shell", type=click.Choice([*SHELLS]))
def completion(shell: str) -> None:
    """Print the script for SHELL."""
    made = get_completion_class(shell)
    if made is not None:
        click.echo(made(cli, {}, "tidemill", VARIABLE).source())
