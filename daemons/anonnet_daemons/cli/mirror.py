"""`anonnet mirror`: a mirror's daemon."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from anonnet_daemons.cli import alerts, checking
from anonnet_daemons.cli.running import http_option, run_daemon
from anonnet_daemons.cli.verbs import Found, data_option, verb
from anonnet_daemons.config import Kind, read_setup


@click.group()
def mirror() -> None:
    """Run a mirror.

    It reads every entry of the logs whose policy names it, checks that they keep the rules, and cosigns. A sale commits
    or aborts when enough mirrors say so, not before. It does not decide anything by itself.
    """


for group in (checking.of_mirror, alerts.of(Kind.MIRROR)):
    for each in group.commands.values():
        mirror.add_command(each)


@verb(mirror, example="anonnet mirror run --data ~/try/mirror-1")
@http_option
@data_option(Kind.MIRROR)
def run(http: tuple[str, int] | None, data: Path) -> None:
    """Be a mirror until SIGTERM or Ctrl-C."""
    from anonnet_daemons.mirror import run as run_mirror

    run_daemon(partial(run_mirror, data.absolute(), http=http))


@verb(mirror, example="anonnet mirror witness --data ~/try/mirror-1")
@data_option(Kind.MIRROR)
def witness(data: Path) -> Found:
    """Show the key under which this mirror cosigns checkpoints of foreign logs.

    It takes them by POST /add-checkpoint where it runs with --http. Which logs: the file witness.policy in its data
    folder, with a line `log VKEY` for each, and a last line `quorum none`.
    """
    from anonnet.tlog.note import Kind as NoteKind
    from anonnet_daemons.witnessing import cosigner

    setup = read_setup(data.absolute(), Kind.MIRROR)
    vkey = cosigner(setup, setup.peer(setup.network())).verifier(NoteKind.COSIGNATURE).vkey
    return Found({"vkey": vkey}, [vkey])
