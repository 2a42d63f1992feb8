"""The log's daemon: it decides each sale once, by a clock that neither falls nor leaps."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from anonnet.net.clock import BoundedClock, check_start, keep_mark, read_mark
from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct
from anonnet.parties.log import Log
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.network import Role
from anonnet.store.folder import Folder
from anonnet.store.log import LogStore
from anonnet.store.published import LogShelf
from anonnet_daemons.config import Kind
from anonnet_daemons.serving import reachable, told
from anonnet_daemons.showing import Address, showing

STORE = "log.db"


async def run(path: Path, *, trust_clock: bool = False, http: Address | None = None) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal. `trust_clock`: the operator has looked at the machine's clock.

    `http`: where to show the log to browsers and other readers; None: nowhere.
    """
    found = reachable(path, Kind.LOG)
    clock = BoundedClock()
    with Folder(path) as folder:
        banks = [peer.key for peer in found.network.all(Role.BANK)]
        merchants = [peer.key for peer in found.network.all(Role.MERCHANT)]
        known = KnownLog(found.peer.key, found.peer.policy)
        store = LogStore(str(folder / STORE), seal=partial(known.sealed, found.setup.identity(found.peer)))
        shelf = partial(LogShelf, folder / STORE, known)
        check_start(clock, store.time(), read_mark(folder), trusted=trust_clock)
        party = Log(found.signer, known, banks, merchants, told(found), found.network.logs)
        await run_party(
            *(party, store),
            name=found.peer.name,
            network=found.network,
            dialer=Direct(found.network, found.setup.bind),
            folder=folder,
            peer=found.peer,
            static_secret=found.static_secret,
            clock=clock,
            beside=showing(http, shelf, {known.identity: known}, partial(keep_mark, clock, folder)),
        )
