"""The log's daemon: it decides each sale once, by a clock that neither falls nor leaps.

It can be the bank's daemon too, or a merchant's: what the log records and what the other does about it are then one
transaction, in the other's database.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anonnet.errors import BadStart
from anonnet.net.clock import BoundedClock, check_start, keep_mark, read_mark
from anonnet.net.daemon import MergedLog, run_party, signalled, unless
from anonnet.net.dialing import Direct
from anonnet.parties.log import Log
from anonnet.parties.turn import Party
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.network import Network, Role
from anonnet.protocol.transaction import NO_POLICY
from anonnet.store import lock
from anonnet.store.base import Store
from anonnet.store.database import begun
from anonnet.store.folder import Folder
from anonnet.store.log import LogStore
from anonnet.store.merchant import MerchantStore
from anonnet.store.published import LogShelf
from anonnet_daemons import bank, merchant
from anonnet_daemons.config import Kind, Merger, Setup
from anonnet_daemons.resuming import resume
from anonnet_daemons.serving import Reachable, reachable, told, warn_of_leaps
from anonnet_daemons.showing import Address, showing

STORE = "log.db"


@dataclass(frozen=True, slots=True)
class Host:
    """How a party is made that a log can be merged with."""

    file: str
    store: Callable[[str, Network], Store]
    party: Callable[[Reachable], Party]


HOSTS = {
    Kind.BANK: Host(bank.STORE, bank.followed, bank.party_of),
    Kind.MERCHANT: Host(merchant.STORE, lambda path, _: MerchantStore(path), merchant.party_of),
}


@dataclass(frozen=True, slots=True)
class Runs:
    """Whose daemon it is: the log's own, or that of the party that the log is merged with."""

    found: Reachable
    party: Party
    store: Store
    folder: Folder


def within(setup: Setup) -> Path | None:
    """The file of another party that the rows of this log stand in; None where it has its own."""
    return setup.merged.folder / HOSTS[setup.merged.kind].file if setup.merged and setup.kind is Kind.LOG else None


def check_lock(path: Path) -> None:
    """Raise BadStart where the lock of a log that decides alone is lost: no mirror could tell it what it has signed."""
    if not begun(path):
        raise BadStart(
            f"{path} is missing or empty, and nobody can tell a log that decides alone what it has signed: put the"
            " newest lock.db and log.db back, or begin a new log with a new key"
        )


async def run(path: Path, *, trust_clock: bool = False, http: Address | None = None) -> None:
    """Run until SIGTERM. Raises BadStart, Fatal, NotYet. `trust_clock`: the operator has looked at the machine's clock.

    `http`: where to show the log to browsers and other readers; None: nowhere.
    """
    found = reachable(path, Kind.LOG)
    clock = BoundedClock()
    banks, merchants = ([peer.key for peer in found.network.all(role)] for role in (Role.BANK, Role.MERCHANT))
    known = KnownLog(found.peer.key, found.peer.policy)
    party = Log(found.signer, known, banks, merchants, told(found), found.network.logs)
    with ExitStack() as folders:
        folder = folders.enter_context(Folder(path))
        if known.decides_alone:
            check_lock(folder / lock.FILE)
        host = _host(found, found.setup.merged, folders) if found.setup.merged else None
        seal = partial(known.sealed, found.setup.identity(found.peer))
        store = LogStore(str(folder / STORE), seal=seal, merged=host.store if host else None)
        works = [partial(keep_mark, clock, folder), partial(warn_of_leaps, clock)]
        if host and host.found.setup.kind is Kind.BANK:
            works.append(partial(bank.remind_owner, host.folder.path))
        shelf = partial(LogShelf, folder / STORE, known, within(found.setup))
        check_start(clock, store.time(), read_mark(folder), trusted=trust_clock)
        resumes = partial(resume, found, known, store, folder, clock())
        if not known.decides_alone and not await unless(signalled, resumes):
            return
        runs = host or Runs(found, party, store, folder)
        await run_party(
            *(runs.party, runs.store),
            name=runs.found.peer.name,
            network=runs.found.network,
            dialer=Direct(runs.found.network, runs.found.setup.bind),
            folder=runs.folder,
            peer=runs.found.peer,
            static_secret=runs.found.static_secret,
            clock=clock,
            beside=showing(http, shelf, {known.identity: known}, *works),
            merged=MergedLog(party, store, found.peer, found.static_secret, folder) if host else None,
        )


def _host(log: Reachable, merger: Merger, folders: ExitStack) -> Runs:
    """The party that the log is merged with. Raises BadStart."""
    if log.peer.policy != NO_POLICY:
        raise BadStart(
            f"the log {log.peer.name} is not merged with another party: mirrors decide with it, and nothing that it"
            f' records settles a sale: remove "merged {merger.kind}" from its party.json'
        )
    found = reachable(merger.folder, merger.kind)
    mine = found.setup.merged
    if mine is None or mine.folder.resolve() != log.setup.folder.resolve():
        raise BadStart(
            f"{found.peer.name} is not merged with the log {log.peer.name}: its party.json must name the log's folder,"
            ' as "merged log", so that it is not run twice'
        )
    host = HOSTS[merger.kind]
    folder = folders.enter_context(Folder(merger.folder))
    store = host.store(str(folder / host.file), found.network)
    return Runs(found, host.party(found), store, folder)
