"""The consumer's daemon, that is the wallet: nobody can reach it, and it reaches everyone through the relay."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

from anonnet.errors import BadStart
from anonnet.net.daemon import Running, run_party, wall_clock
from anonnet.net.dialing import Dialer, Direct, ThroughRelay
from anonnet.net.incidents import Incidents
from anonnet.net.jobs import Jobs
from anonnet.parties.consumer import Consumer
from anonnet.parties.recovery import Woken
from anonnet.parties.turn import ENTROPY_BYTES, Asked, Turns
from anonnet.protocol.network import Network, Role
from anonnet.store import recovery
from anonnet.store.database import Database, begun
from anonnet.store.folder import Folder
from anonnet.store.wallet import WalletStore
from anonnet.times import DWELL_SECONDS
from anonnet_daemons.config import WALLET_STORE, Kind, Setup, accepted_brands, read_setup
from anonnet_daemons.seedfile import Passphrase, read_seed

STORE = WALLET_STORE
MEMORY_LOST = (
    "this wallet has lost wallet.db, and knows of no token and no purchase: stop it and put that file back, or find the"
    " tokens again by anonnet wallet recover"
)


def through_relay(setup: Setup, network: Network) -> ThroughRelay:
    """The way that hides her address. Raises BadStart."""
    relay = network.named(setup.relay)
    if relay is None or relay.role is not Role.RELAY:
        raise BadStart(f"{setup.network_path} has no relay called {setup.relay}: correct party.json in {setup.folder}")
    return ThroughRelay(network, setup.bind, relay)


def opened(folder: Folder, network: Network) -> WalletStore:
    """The wallet's database. Where there was none, its memory is lost, and no place of its seed may be used twice: it
    withdraws at no bank before it has looked there what became of them. Raises BadStart."""
    path = folder / STORE
    if not begun(path):  # written before the file counts as begun: the next start would take it for a memory
        with closing(Database(path, schema=recovery.SCHEMA, version=0)) as made:
            made.begin()
            for bank in network.all(Role.BANK):
                recovery.Recovery(made).forget(bank.identity)
            made.commit()
    return WalletStore(str(path))


def wake(party: Consumer, store: WalletStore, incidents: Incidents) -> None:
    """Tell the wallet that it has slept, before anything is sent. Raises Fatal."""
    now = wall_clock()
    woken = Asked(body=Woken(), arrival=now, entropy=os.urandom(ENTROPY_BYTES), owner=True)
    Turns(party, store, incidents.report).run_turns([woken], now)
    store.commit()


async def run(path: Path, passphrase: Passphrase, *, direct: bool = False, dwell: int = DWELL_SECONDS) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal. `direct`: without the relay, so that everyone sees her address.
    `dwell`: how many seconds tokens rest at least before they are spent."""
    setup = read_setup(path, Kind.CONSUMER)
    network = setup.network()
    dialer: Dialer = Direct(network, setup.bind) if direct else through_relay(setup, network)
    party = Consumer(network, read_seed(path, passphrase), accepted_brands(network), dwell, setup.habits)
    with Folder(path) as folder:
        if not begun(folder / STORE):
            print(MEMORY_LOST, file=sys.stderr, flush=True)
        store = opened(folder, network)
        wake(party, store, Incidents(folder.path, os.urandom))

        async def jobs(running: Running) -> None:
            work = Jobs(
                *(running.queue, store),
                network=network,
                dialer=dialer,
                folder=folder,
                incidents=running.incidents,
                tracer=running.tracer,
            )
            await work.run()

        await run_party(
            *(party, store),
            name=setup.name,
            network=network,
            dialer=dialer,
            folder=folder,
            beside=jobs,
        )
