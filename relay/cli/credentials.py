"""``relay hash-password`` and ``relay hash-token``: what a directory file stores instead of a secret."""

from __future__ import annotations

import click

from relay.directory import credentials


@click.command("hash-password")
@click.password_option()
def hash_password(password: str) -> None:
    """Print the hash of a password, for the directory file."""
    click.echo(credentials.hash_password(password))


@click.command("hash-token")
@click.password_option("--token")
def hash_token(token: str) -> None:
    """Print the hash of a bearer token, for the directory file."""
    click.echo(credentials.hash_token(token))
