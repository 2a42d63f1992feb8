"""`anonnet wallet brands`: the brands that a wallet accepts, and banks that have opened two of a kind."""

from __future__ import annotations

import time
from pathlib import Path

import click

from anonnet.protocol.network import Role
from anonnet_daemons import evidence
from anonnet_daemons.cli.bank import brands_found
from anonnet_daemons.cli.verbs import FAILED, Found, data_option, have_judged, verb
from anonnet_daemons.config import Kind, accepted_brands, read_network, read_setup

of_wallet = click.Group()


@verb(of_wallet, "brands", example="anonnet wallet brands")
@click.option(
    *("--to", "into"),
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where a bank has opened two brands of a kind at once: write them down for a judge.",
)
@data_option(Kind.CONSUMER)
def brands(into: Path | None, data: Path) -> Found:
    """Show the brands that this wallet accepts, and where they stand. Asks nobody.

    A wallet looks once a day, and when it starts, what the logs have published. Exit code 1 where a bank has opened two
    brands of a kind at the same time: it could tell its customers apart by them.
    """
    setup = read_setup(data.absolute(), Kind.CONSUMER)
    network, pinned = setup.network(), {each.id for each in accepted_brands(read_network(setup.network_path))}
    known = accepted_brands(network)
    found = brands_found(
        known, int(time.time()), {each.id: "network file" if each.id in pinned else "logs" for each in known}
    )
    papers = evidence.rivals(setup)
    keys = sorted({signature.signer for paper in papers for signature in paper.signatures})
    names = [peer.name if (peer := network.peer(key)) and peer.role is Role.BANK else key.hex() for key in keys]
    words = [*found.words, *(f"WRONG: {name} has opened two brands of a kind at the same time." for name in names)]
    if into is not None:
        evidence.of_rivals(setup, papers, into)
        words.append(have_judged(into))
    return Found({**found.values, "wrong": names}, words, FAILED if names else 0)
