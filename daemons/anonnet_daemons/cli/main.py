"""The root of the `anonnet` command. What a noun does stands in a file of its own, imported when it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="anonnet", message="%(prog)s %(version)s")
def main() -> None:
    """Anonymous atomic transactions: pay without a name, and get either the goods or the money back."""


@main.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def selftest(files: tuple[Path, ...]) -> None:
    """Check this installation against known answers: those that ship, or those in FILES."""
    from anonnet_daemons.selftest import main as known_answers

    sys.exit(known_answers(files))
