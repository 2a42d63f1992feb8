"""A mirror's daemon: it reads the network's logs and makes their word count."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct
from anonnet.net.witnessing import witness_of
from anonnet.parties.mirror import Mirror
from anonnet.parties.witnessing import Witnessing
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
    logs = {name: known for name, known in found.network.logs.items() if found.peer.key in known.mirrors}
    foreign = foreign_logs(found.setup)
    desks = [Witnessing(cosigner(found.setup, found.peer), foreign)] if foreign else []
    party = Mirror(found.signer, found.setup.identity(found.peer), logs, told(found), *desks, others=found.network.logs)
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
            beside=showing(http, shelf, party.logs, witness=witness_of if foreign else None),
        )
