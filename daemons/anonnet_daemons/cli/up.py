"""`anonnet up`: all daemons of a network until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import trio

from anonnet.net.daemon import signalled
from anonnet_daemons.cli.verbs import Found, home, verb
from anonnet_daemons.network import LocalNetwork

alone = click.Group()


@verb(alone, example="anonnet up ~/try")
@click.argument("home_", metavar="[HOME]", type=click.Path(exists=True, file_okay=False, path_type=Path), default=home)
@click.option("--direct", is_flag=True, help="Let the consumer dial without the relay. For tests.")
def up(home_: Path, direct: bool) -> Found:
    """Run all five parties of the network in HOME until Ctrl-C or SIGTERM."""

    async def run() -> Found:
        async with LocalNetwork.running(home_.absolute(), direct=direct) as local:
            names = ", ".join(daemon.name for daemon in local.daemons.values())
            print(f"Running: {names}. In another terminal: export ANONNET_HOME={local.home}", file=sys.stderr)
            await local.until_one_ends(signalled)
            codes = await local.stop()
        failed = [kind.value for kind, code in codes.items() if code]
        return Found({"exits": {kind.value: code for kind, code in codes.items()}}, [], code=1 if failed else 0)

    return trio.run(run)
