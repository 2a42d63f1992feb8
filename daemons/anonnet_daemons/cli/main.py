"""The root of the `anonnet` command. What a noun does stands in a file of its own, imported when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

NOUNS = {  # name -> what its help says here
    "init": "Make a network on this machine.",
    "up": "Run all parties of a network until Ctrl-C.",
    "bank": "Run the bank, fund accounts, look at its books.",
    "merchant": "Run the merchant, put files on sale, look at the sales.",
    "log": "Run the log, look at its entries.",
    "mirror": "Run a mirror, which makes the log's word count.",
    "relay": "Run the relay.",
    "wallet": "Run the consumer's wallet, withdraw, buy.",
    "judge": "Decide from files of evidence who owes whom what.",
    "demo": "Two sales between real processes, step by step; or a dispute.",
    "bench": "Measure on this machine.",
}


class Nouns(click.Group):
    """Imports a noun's file only when it is used: each command starts as fast as its own part lets it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*NOUNS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NOUNS:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(f"anonnet_daemons.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the nouns without importing them."""
        others = super().list_commands(ctx)
        lines = [(name, self.commands[name].get_short_help_str()) for name in others]
        with formatter.section("Commands"):
            formatter.write_dl([*NOUNS.items(), *lines])


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="anonnet", message="%(prog)s %(version)s")
def main() -> None:
    """Anonymous atomic transactions: pay without a name, and get either the goods or the money back.

    Exit codes: 0 done, 1 refused or failed, 2 wrong use, 69 the daemon is not running, 74 a daemon's storage has
    failed, 75 not known yet, 130 interrupted.
    """


@main.command()
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
def selftest(files: tuple[Path, ...]) -> None:
    """Check this installation against known answers: those that ship, or those in FILES."""
    from anonnet_daemons.selftest import main as known_answers

    sys.exit(known_answers(files))
