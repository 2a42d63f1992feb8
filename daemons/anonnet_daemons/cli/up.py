"""`anonnet up`: all daemons of a network until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

import click
import trio

from anonnet.net.daemon import signalled
from anonnet_daemons.cli.verbs import DONE, FAILED, Found, home, verb
from anonnet_daemons.network import LocalNetwork

alone = click.Group()


@verb(alone, example="anonnet up ~/try")
@click.argument("home_", metavar="[HOME]", type=click.Path(file_okay=False, path_type=Path), default=home)
@click.option("--direct", is_flag=True, help="Let the consumer dial without the relay. For tests.")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="The consumer's passphrase, on the first line of this file, where her seed is sealed.",
)
def up(home_: Path, direct: bool, passphrase_file: Path | None) -> Found:
    """Run all parties of the network in HOME until Ctrl-C or SIGTERM."""
    wallet = ["--direct"] if direct else []
    if passphrase_file is not None:
        wallet += ["--passphrase-file", str(passphrase_file.absolute())]

    async def run() -> Found:
        async with trio.open_nursery() as nursery:
            asked_to_stop = trio.Event()
            nursery.start_soon(_listen, asked_to_stop)
            async with LocalNetwork.running(home_.absolute(), wallet=wallet) as local:
                names = ", ".join(daemon.name for daemon in local.daemons.values())
                print(
                    f"Running: {names}. In another terminal: export ANONNET_HOME={quote(str(local.home))}",
                    file=sys.stderr,
                )
                await local.until_one_ends(asked_to_stop.wait)
                codes = await local.stop()
            nursery.cancel_scope.cancel()
        words = [f"{name} ended with {code}: look at {local[name].log}" for name, code in codes.items() if code]
        return Found({"exits": codes}, words, FAILED if words else DONE)

    return trio.run(run)


async def _listen(asked_to_stop: trio.Event) -> None:
    await signalled()
    asked_to_stop.set()
