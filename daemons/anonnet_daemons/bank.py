"""The bank's daemon: its brands' keys, its ledger, and the promises it makes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import trio

from anonnet.errors import BadStart
from anonnet.net.clock import BoundedClock
from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct
from anonnet.net.turns import Placement
from anonnet.parties.bank import Bank
from anonnet.parties.mint import Minted
from anonnet.store.bank import BankStore
from anonnet.store.folder import Folder
from anonnet.times import FORGET_SECONDS
from anonnet_daemons.branding import BANK_STORE, Plate
from anonnet_daemons.config import Kind, offers_of
from anonnet_daemons.serving import Reachable, alone, beside, told

STORE = BANK_STORE


def minted(bank: Reachable) -> list[Minted]:
    """The brands of the network file that this bank signed, each with its secret key. Raises BadStart."""
    found = []
    for offer, brand in offers_of(bank.network, bank.peer):
        found.append(Minted(offer, brand, bank.setup.brand_key(brand)))
    return found


def slow_signing(found: Iterable[Minted]) -> list[str]:
    """Why keys do not sign with the OpenSSL that is there, each reason once."""
    return sorted({each.secret.warning for each in found if each.secret.warning})


def party_of(found: Reachable) -> Bank:
    """The bank of this data folder. Raises BadStart."""
    brands = minted(found)
    plate = Plate(found.setup, found.network, tuple(each.brand for each in brands))
    slow = [f"signing is slower than it need be: {warning}" for warning in slow_signing(brands)]
    for warning in [*slow, *plate.warnings(int(time.time()))]:
        print(warning, file=sys.stderr)
    return Bank(found.signer, found.peer.key, brands, found.network.logs, told(found), beside(found))


async def remind_owner(path: Path) -> None:
    """Say once a day what is due of the brands of the bank in this folder: it may run for months. Without end."""
    while True:
        await trio.sleep(FORGET_SECONDS)
        try:
            due = await trio.to_thread.run_sync(lambda: Plate.of(path).warnings(int(time.time())))
        except BadStart as why:  # the next start fails by it
            due = [str(why)]
        for warning in due:
            print(warning, file=sys.stderr, flush=True)


async def run(path: Path, *, placement: Placement = Placement.COMMIT_IN_THREAD) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal."""
    found = alone(path, Kind.BANK)
    party = party_of(found)
    with Folder(path) as folder:
        await run_party(
            *(party, BankStore(str(folder / STORE))),
            name=found.peer.name,
            network=found.network,
            dialer=Direct(found.network, found.setup.bind),
            folder=folder,
            peer=found.peer,
            static_secret=found.static_secret,
            clock=BoundedClock(),  # a leap ahead would end running sales, and forget what is still owed
            placement=placement,
            beside=lambda _: remind_owner(path),
        )
