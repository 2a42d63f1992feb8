"""`anonnet relay`: the relay's daemon."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from anonnet_daemons.cli.running import run_daemon
from anonnet_daemons.cli.verbs import data_option, verb
from anonnet_daemons.config import Kind


@click.group()
def relay() -> None:
    """Run the relay.

    It passes consumers' traffic on, so that nobody else learns their addresses. It is one hop: it does see who speaks
    with whom, and writes none of it down.
    """


@verb(relay, example="anonnet relay run --data ~/try/relay")
@data_option(Kind.RELAY)
def run(data: Path) -> None:
    """Be the relay until SIGTERM or Ctrl-C."""
    from anonnet_daemons.relay import run as run_relay

    run_daemon(partial(run_relay, data.absolute()))
