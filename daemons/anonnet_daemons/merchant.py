"""The merchant's daemon: his shop, and the keys of the goods that he has sold."""

from __future__ import annotations

from pathlib import Path

from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct
from anonnet.parties.merchant import Merchant
from anonnet.protocol.network import Role
from anonnet.store.folder import Folder
from anonnet.store.merchant import MerchantStore
from anonnet_daemons.config import Kind
from anonnet_daemons.serving import Reachable, alone, told

STORE = "merchant.db"


def party_of(found: Reachable, made: type[Merchant] = Merchant) -> Merchant:
    """The merchant of this data folder."""
    banks = [peer.key for peer in found.network.all(Role.BANK)]
    return made(found.signer, found.peer.key, banks, found.network.logs, told(found))


async def run(path: Path, made: type[Merchant] = Merchant) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal. `made`: who keeps the shop; the demo of a dispute has a cheat."""
    found = alone(path, Kind.MERCHANT)
    party = party_of(found, made)
    with Folder(path) as folder:
        await run_party(
            *(party, MerchantStore(str(folder / STORE))),
            name=found.peer.name,
            network=found.network,
            dialer=Direct(found.network, found.setup.bind),
            folder=folder,
            peer=found.peer,
            static_secret=found.static_secret,
        )
