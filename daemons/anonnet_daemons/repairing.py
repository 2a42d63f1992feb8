"""Repairing a log: entries are read from its mirrors, and put back by what its lock says (anonnet.parties.repair)."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path

import trio

from anonnet.errors import BadStart, Fatal, Malformed
from anonnet.net.dialing import Direct
from anonnet.parties.repair import Copied, Lost, Repair, leads_to
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import Entries
from anonnet.protocol.network import Network, Peer
from anonnet.store import lock
from anonnet.store.checking import Kept
from anonnet.store.database import Database
from anonnet.store.folder import Folder
from anonnet.store.lock import Lock
from anonnet.store.log import LogStore
from anonnet.wire.codec import STEPS
from anonnet.wire.signed import received
from anonnet_daemons.config import Kind
from anonnet_daemons.log import STORE
from anonnet_daemons.serving import reachable

ASIDE = "repair"
BEFORE = "log.db.before-repair"
ENDS = "", "-wal", "-shm"
"""Of the names of a database's files."""
OTHERS_SECONDS = 60
"""How long the other mirrors may still tell what they have of a shard when one has told all of it: for the sake of
their cosignatures, which are collected anew where they are missing."""


async def repair(path: Path) -> list[tuple[str, int]]:
    """Make log.db anew: (origin, entries) of what it holds. Raises BadStart, and then everything is as it was."""
    found = reachable(path, Kind.LOG)
    known = KnownLog(found.peer.key, found.peer.policy)
    if known.decides_alone:
        raise BadStart("this log decides alone, and no mirror has its entries: put the newest log.db back")
    mirrors = list(filter(None, map(found.network.peer, known.mirrors)))
    dialer = Direct(found.network, found.setup.bind)
    with Folder(path) as folder:
        lock.noted(folder / lock.FILE)  # one that is not there is not made anew
        locked = Lock(Database(folder / lock.FILE, schema=lock.SCHEMA, version=lock.VERSION))
        old = Old(folder / STORE, known)
        shutil.rmtree(folder / ASIDE, ignore_errors=True)
        (folder / ASIDE).mkdir(mode=0o700)
        seal = partial(known.sealed, found.setup.identity(found.peer))
        store = LogStore(str(folder / ASIDE / STORE), seal=seal)
        try:
            work = Repair(known, found.signer, store, locked)
            all_lost = list(work.lost())
            for wanted in sorted(all_lost, key=lambda each: each.shard != CHAIN):  # it says how others have ended
                copies = await copied(dialer, found.network, mirrors, known, wanted, old)
                lists, seen = [each.entries for each in copies], [note for each in copies for note in each.notes]
                last = {**store.chain.read().ends, **old.finals}.get(wanted.shard, b"")
                whole = work.put_back(wanted, old.completing(wanted.shard, lists), seen)
                if not whole and not work.drop(wanted, last):
                    raise BadStart(
                        f"no mirror has all {wanted.head.size} entries of {wanted.head.origin}: start the mirrors, all"
                        " of them if you can, and run it again"
                    )
            work.carry_over(found.network.name, found.network.logs, old.admitted, old.alerts)
            work.finish(int(time.time()), old.time)
        finally:
            store.close()
            locked.close()
            await dialer.aclose()
        take_its_place(folder)
    return [(each.head.origin, each.head.size) for each in all_lost]


class Old:
    """What can still be read of the database that is to be replaced; nothing of it is believed."""

    def __init__(self, path: Path, known: KnownLog) -> None:
        self.finals: dict[int, bytes] = {}
        self.time = 0
        self.admitted: list[bytes] = []
        self.alerts: list[tuple[bytes, int, bytes]] = []
        self._entries: dict[int, list[bytes]] = {}
        if not path.exists():
            return
        try:
            kept = Kept(path, mirrored=False)
            try:
                self.time, self.finals = kept.time() or 0, dict(kept.finals())
                for shard in kept.shards(known.identity):
                    self._entries[shard.shard] = [each.body for each in shard.entries()]
                self.admitted = kept.admitted()
                self.alerts = [(log, shard, evidence) for log, shard, evidence, _ in kept.alerts()]
            finally:
                kept.close()
        except (BadStart, Fatal):
            return

    def completing(self, shard: int, lists: Sequence[list[bytes]]) -> Iterator[list[bytes]]:
        """What mirrors have, with what was never read by them behind it."""
        mine = self._entries.get(shard, [])
        yield from (each + mine[len(each) :] for each in lists)
        yield mine


async def copied(
    dialer: Direct, network: Network, mirrors: Sequence[Peer], known: KnownLog, wanted: Lost, old: Old
) -> list[Copied]:
    """As much of this shard as each mirror gives out; they are read side by side, so that none holds up the log once
    another one, with what is left of the old database, has all of it."""
    copies = [Copied(known.identity, wanted) for _ in mirrors]
    async with trio.open_nursery() as nursery:

        async def copy(mirror: Peer, into: Copied) -> None:
            await _copy(dialer, network, mirror, into)
            if any(leads_to(wanted.head, each) for each in old.completing(wanted.shard, [into.entries])):
                others = nursery.cancel_scope
                others.deadline = min(others.deadline, trio.current_time() + OTHERS_SECONDS)

        for mirror, into in zip(mirrors, copies, strict=True):
            nursery.start_soon(copy, mirror, into)
    return copies


async def _copy(dialer: Direct, network: Network, mirror: Peer, into: Copied) -> None:
    """As much as one mirror gives out."""
    try:
        while follow := into.next:
            reply = await dialer.ask(mirror, follow)
            body = received(network.name, STEPS[reply.step], reply.payload).body
            if not isinstance(body, Entries) or not into.take(body):
                break
    except (OSError, Malformed):  # another one may be there, or honest
        pass


def take_its_place(folder: Folder) -> None:
    """Put the new database where the old one is, which is kept beside it, and whatever an earlier repair has kept.
    Raises BadStart, and then everything is as it was."""
    if (folder / ASIDE / f"{STORE}-wal").exists():  # SQLite tells nobody that it could not empty it as it closed
        raise BadStart(
            f"the new {STORE} is not whole on the disk: make room on the disk of {folder.path}, and run it again"
        )
    before = _unused(folder)
    for end in ENDS:
        if (folder / f"{STORE}{end}").exists():
            os.replace(folder / f"{STORE}{end}", folder / f"{before}{end}")
    os.replace(folder / ASIDE / STORE, folder / STORE)
    shutil.rmtree(folder / ASIDE)
    handle = os.open(folder.path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _unused(folder: Folder) -> str:
    """A name for the old database that nothing has yet: what was kept may be the only copy of something."""
    names = chain([BEFORE], (f"{BEFORE}.{number}" for number in count(2)))
    return next(name for name in names if not any((folder / f"{name}{end}").exists() for end in ENDS))
