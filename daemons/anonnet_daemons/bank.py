"""The bank's daemon: its brands' keys, its ledger, and the promises it makes."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import trio

from anonnet.errors import BadStart
from anonnet.net.clock import BoundedClock
from anonnet.net.daemon import Running, run_party
from anonnet.net.dialing import Direct
from anonnet.net.turns import Placement
from anonnet.parties.bank import Bank
from anonnet.parties.mint import Minted
from anonnet.protocol.network import Network
from anonnet.store.bank import BankStore
from anonnet.store.database import begun
from anonnet.store.folder import Folder
from anonnet.times import FORGET_SECONDS
from anonnet_daemons.branding import BANK_STORE, Plate, day
from anonnet_daemons.config import Kind, offers_of
from anonnet_daemons.serving import Reachable, alone, beside, reachable, told, warn_of_leaps

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
    return Bank(found.signer, found.peer.key, minted(found), found.network.logs, told(found), beside(found))


def warnings(path: Path, now: int) -> list[str]:
    """What the owner of the bank in this folder must know of its brands."""
    try:
        found = reachable(path, Kind.BANK)
        brands = minted(found)
        plate = Plate(found.setup, found.network, tuple(each.brand for each in brands))
        slow = [f"signing is slower than it need be: {why}" for why in slow_signing(brands)]
        return [*slow, *plate.warnings(now)]
    except BadStart as why:  # the next start fails by it
        return [str(why)]


def books(path: str) -> BankStore:
    """The bank's database. Raises BadStart where it is lost: with an empty one the bank would take every token that was
    spent once more, and know nobody's account."""
    if not begun(Path(path)):
        raise BadStart(
            f"{path} is missing or empty, and with it what accounts hold and which tokens are spent: put the newest one"
            " back, and its -wal if there is one"
        )
    return BankStore(path)


def followed(path: str, network: Network) -> BankStore:
    """The bank's database, to go on with by the logs of this network. Raises BadStart."""
    store = books(path)
    try:
        check_logs(store, network.logs, int(time.time()))
    except BadStart:
        store.close()
        raise
    return store


def check_logs(store: BankStore, logs: Collection[bytes], now: int) -> None:
    """Raise BadStart where a sale is locked whose log is not among these: its commit would be refused, and the merchant
    not be paid."""
    ends = {log: end for log, end in store.sales.locked_by(now).items() if log not in logs}
    if ends:
        names = ", ".join(log.hex()[:16] for log in sorted(ends))
        until = day(max(ends.values()) + 60)  # the first whole minute when all are over
        raise BadStart(
            f"sales are locked whose outcome a log tells that the network file does not have ({names}), and their"
            f" merchants would not be paid: put it back there until {until} UTC, also where the log is gone for good"
        )


async def remind_owner(path: Path) -> None:
    """Say this at the start and once a day, since a bank may run for months. Without end."""
    while True:
        for warning in await trio.to_thread.run_sync(lambda: warnings(path, int(time.time()))):
            print(warning, file=sys.stderr, flush=True)
        await trio.sleep(FORGET_SECONDS)


async def run(path: Path, *, placement: Placement = Placement.COMMIT_BY_DISK) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal."""
    found = alone(path, Kind.BANK)
    party = party_of(found)
    clock = BoundedClock()  # a leap ahead would end running sales, and forget what is still owed

    async def warns(_: Running) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(remind_owner, path)
            nursery.start_soon(warn_of_leaps, clock)

    with Folder(path) as folder:
        await run_party(
            *(party, followed(str(folder / STORE), found.network)),
            name=found.peer.name,
            network=found.network,
            dialer=Direct(found.network, found.setup.bind),
            folder=folder,
            peer=found.peer,
            static_secret=found.static_secret,
            clock=clock,
            placement=placement,
            beside=warns,
        )
