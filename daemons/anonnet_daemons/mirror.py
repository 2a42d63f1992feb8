"""A mirror's daemon: it reads the network's logs and makes their word count."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from anonnet.crypto.keys import SigningKey
from anonnet.net.clock import BoundedClock
from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct
from anonnet.net.witnessing import witness_of
from anonnet.parties.mirror import Mirror
from anonnet.parties.witnessing import Witnessing
from anonnet.store.folder import Folder
from anonnet.store.mirror import MirrorStore
from anonnet.store.published import MirrorShelf
from anonnet_daemons.config import Kind
from anonnet_daemons.serving import Reachable, beside, reachable, told, warn_of_leaps
from anonnet_daemons.showing import Address, showing
from anonnet_daemons.witnessing import cosigner, foreign_logs

STORE = "mirror.db"


def mirror_of(found: Reachable, key: SigningKey, *desks: object) -> Mirror:
    """The mirror with this signing key: of all logs that decide alone, and of those that name it."""
    logs, own = found.network.logs, found.peer.key
    followed = {name: log for name, log in logs.items() if log.decides_alone or own in log.mirrors}
    return Mirror(found.signer, key, followed, told(found), *desks, others=logs, beside=beside(found))


async def run(path: Path, *, http: Address | None = None) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal. `http`: where to show the copies to browsers and other readers."""
    found = reachable(path, Kind.MIRROR)
    foreign = foreign_logs(found.setup)
    desks = [Witnessing(cosigner(found.setup, found.peer), foreign)] if foreign else []
    party = mirror_of(found, found.setup.identity(found.peer), *desks)
    clock = BoundedClock()  # a leap ahead would cosign what a log dates ahead, and forget too early
    warns = partial(warn_of_leaps, clock)
    with Folder(path) as folder:
        shelf = partial(MirrorShelf, folder / STORE)
        await run_party(
            *(party, MirrorStore(str(folder / STORE))),
            name=found.peer.name,
            network=found.network,
            dialer=Direct(found.network, found.setup.bind),
            folder=folder,
            peer=found.peer,
            static_secret=found.static_secret,
            clock=clock,
            beside=showing(http, shelf, party.logs, warns, witness=witness_of if foreign else None),
        )
