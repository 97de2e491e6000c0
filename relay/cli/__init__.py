"""The ``relay`` command."""

from __future__ import annotations

import click

from relay import __version__
from relay.cli.credentials import hash_password, hash_token
from relay.cli.serve import serve
from relay.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Call control in front of a telephone switch."""


main.add_command(serve)
main.add_command(worker)
main.add_command(hash_password)
main.add_command(hash_token)
