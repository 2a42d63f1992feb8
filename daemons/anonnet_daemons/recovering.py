"""What an owner of a wallet does to get it back: a folder made from the words, and a recovery with its progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import trio

from anonnet.errors import BadStart
from anonnet.protocol.local import Recover, Recovery, RecoveryOf, Started
from anonnet.protocol.network import Network, Peer, Role
from anonnet.store.folder import Folder
from anonnet.times import RESTORE_SPREAD_SECONDS
from anonnet_daemons.config import PARTY_FILE, WALLET_FILE, Kind, accepted_brands, party_json, read_network
from anonnet_daemons.consumer import STORE, opened
from anonnet_daemons.owner import NotYet, Owner

LOOK_SECONDS = 0.2
"""Between two looks at how far a recovery is."""
ANY_ADDRESS = "0.0.0.0"


def restore(folder: Path, seed: bytes, network_path: Path, relay: Peer) -> None:
    """Make a wallet's folder from its seed. It knows of no token before it has recovered. Raises BadStart."""
    network = read_network(network_path)
    accepted_brands(network)
    for name in (WALLET_FILE, STORE, PARTY_FILE):
        if (folder / name).exists():
            raise BadStart(f"{folder} has a wallet already ({name} is there): choose another folder with --data")
    beside = network_path.parent == folder.parent
    place = os.path.join("..", network_path.name) if beside else str(network_path)
    with Folder(folder) as made:
        opened(made, network).close()
        made.write(WALLET_FILE, seed)
        party = party_json(Kind.CONSUMER, Kind.CONSUMER.value, ANY_ADDRESS, relay.name, place)
        made.write(PARTY_FILE, party)  # last: a folder with this file is whole


async def begin(owner: Owner, bank: Peer, *, fast: bool) -> None:
    """Begin a recovery, or make haste with one that is under way. Raises Failed."""
    await owner.ask(Recover(bank=bank.key, fast=int(fast)), Started)


async def progress(owner: Owner, bank: Peer) -> Recovery:
    """How far it is."""
    return await owner.ask(RecoveryOf(bank=bank.key), Recovery)


def over(far: Recovery) -> bool:
    """True if nothing is being asked for, compared or exchanged any more."""
    return far.answered == far.places and not far.comparing and not far.exchanging


async def ended(owner: Owner, bank: Peer, seconds: float, told: Callable[[int, int], None]) -> Recovery:
    """Wait until it is over; `told` hears how many places have been answered. Raises NotYet."""
    with trio.move_on_after(seconds):
        while True:
            far = await progress(owner, bank)
            told(far.answered, far.places)
            if over(far):
                return far
            await trio.sleep(LOOK_SECONDS)
    raise NotYet(
        f"{bank.name} has answered {far.answered} of {far.places} places, {far.exchanging} tokens are being exchanged: "
        "the wallet goes on by itself; see wallet recover --status"
    )


def not_in_the_words(network_path: Path, network: Network) -> list[str]:
    """What a seed does not hold, and where it is."""
    banks = ", ".join(bank.name for bank in network.all(Role.BANK))
    return [
        f"the banks ({banks}) with their brands, and everybody's keys: keep a copy of {network_path}",
        "the goods and the papers of your purchases, and those of sales that still run: keep a copy of the folder",
        "how the wallet withdraws and pays: see wallet habits",
        f"which tokens are spent: a recovery asks the bank, over about {RESTORE_SPREAD_SECONDS // 60} minutes",
    ]
