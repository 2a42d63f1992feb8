"""`anonnet wallet privacy`: what each party could know now about this wallet."""

from __future__ import annotations

import time
from pathlib import Path

import click

from anonnet.protocol.brand import Brand
from anonnet.protocol.recovery import Used, UsedOf
from anonnet.store.wallet import WalletStore
from anonnet_daemons.cli.verbs import Found, data_option, verb, with_owner
from anonnet_daemons.config import Kind, accepted_brands, read_setup
from anonnet_daemons.consumer import STORE
from anonnet_daemons.explaining import Explained
from anonnet_daemons.owner import Owner

of_wallet = click.Group()


@verb(of_wallet, "privacy", example="anonnet wallet privacy --ask")
@click.option("--ask", is_flag=True, help="Ask the banks, through the relay, how many tokens of each brand are used.")
@data_option(Kind.CONSUMER)
def privacy(ask: bool, data: Path) -> Found:
    """Say what each party could know now about this wallet, from the wallet's own rows.

    Only looks at the data folder, and asks nobody. With --ask the wallet must run: a token is hidden among those of its
    brand, and the banks tell everybody how many of these are used.
    """
    setup = read_setup(data.absolute(), Kind.CONSUMER)
    network = setup.network()
    store = WalletStore(str(setup.folder / STORE), read_only=True)
    try:
        explained = Explained.of(store, network, accepted_brands(network), int(time.time()))
    finally:
        store.close()
    sentences = explained.sentences()
    words = [f"{name} {sentence}" for name, said in sentences.items() for sentence in said]
    values: dict[str, object] = {"parties": sentences}
    if ask:
        brands = explained.asked_about()
        used = with_owner(data, Kind.CONSUMER, lambda owner: _used(owner, brands))
        words += [explained.among(brand, used[brand.id]) for brand in brands]
        values["used"] = {brand.id.hex(): used[brand.id] for brand in brands}
    return Found(values, words)


async def _used(owner: Owner, brands: list[Brand]) -> dict[bytes, int]:
    """How many tokens of each brand are used, by the banks' public lists. Raises Failed."""
    counts = {}
    for brand in brands:
        bank = next(peer for peer in owner.network.peers if peer.identity == brand.bank)
        after, count, more = b"", 0, True
        while more:
            asked = UsedOf(bank=brand.bank, brand=brand.id, after=after)
            page = (await owner.forward(bank, asked, Used)).body
            page.check_after(asked)
            count, more = count + len(page.names), bool(page.more)
            after = page.names[-1] if page.names else after
        counts[brand.id] = count
    return counts
