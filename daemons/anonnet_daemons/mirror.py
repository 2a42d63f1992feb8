"""A mirror's daemon: it reads the network's logs and makes their word count."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from anonnet.net.clock import BoundedClock
from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct
from anonnet.net.witnessing import witness_of
from anonnet.parties.mirror import Mirror
from anonnet.parties.witnessing import Witnessing
from anonnet.protocol.network import Role
from anonnet.store.folder import Folder
from anonnet.store.mirror import MirrorStore
from anonnet.store.published import MirrorShelf
from anonnet_daemons.config import Kind
from anonnet_daemons.serving import reachable, told
from anonnet_daemons.showing import Address, showing
from anonnet_daemons.witnessing import cosigner, foreign_logs

STORE = "mirror.db"


async def run(path: Path, *, http: Address | None = None) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal. `http`: where to show the copies to browsers and other readers."""
    found = reachable(path, Kind.MIRROR)
    key, hearing = found.peer.key, told(found)
    beside = {peer.identity for peer in found.network.all(Role.MIRROR)}.intersection(hearing)
    logs = {name: log for name, log in found.network.logs.items() if log.decides_alone or key in log.mirrors}
    foreign = foreign_logs(found.setup)
    desks = [Witnessing(cosigner(found.setup, found.peer), foreign)] if foreign else []
    identity, others = found.setup.identity(found.peer), found.network.logs
    party = Mirror(found.signer, identity, logs, hearing, *desks, others=others, beside=beside)
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
            clock=BoundedClock(),  # a leap ahead would cosign what a log dates ahead, and forget too early
            beside=showing(http, shelf, party.logs, witness=witness_of if foreign else None),
        )
