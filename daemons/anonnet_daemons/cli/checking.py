"""`anonnet log fsck` and `anonnet mirror fsck`: is all that is kept what the log has signed, and by the rules?"""

from __future__ import annotations

from pathlib import Path

import click
import trio

from anonnet.parties.fsck import Fsck
from anonnet.protocol.network import Role
from anonnet.store.checking import Kept
from anonnet.store.folder import Folder
from anonnet_daemons.cli.verbs import FAILED, Found, data_option, verb
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.log import STORE as LOG_STORE
from anonnet_daemons.log import within
from anonnet_daemons.mirror import STORE as MIRROR_STORE

of_log, of_mirror = click.Group(), click.Group()

LOG_ADVICE = (
    "Do not start this log on this data. Where it has mirrors, anonnet log repair puts it back; else put the newest"
    " log.db that is whole beside this lock.db, which must stay as it is, and run this again."
)
MIRROR_ADVICE = (
    "Set mirror.db aside, with the evidence in it, and start the mirror without one: it reads everything anew."
)


@verb(of_log, "fsck", example="anonnet log fsck --data ~/try/log")
@data_option(Kind.LOG)
def log_fsck(data: Path) -> Found:
    """Check all that the log keeps: each entry by the rules, each hash, each checkpoint and cosignature, the lock,
    and what stands beside them: whom it admits, what it has called late, its errands and alerts.

    The log must not run meanwhile. Nothing is changed. Exit code 1 where something is wrong.
    """
    return _checked(data.absolute(), Kind.LOG, LOG_STORE, LOG_ADVICE)


@verb(of_log, "repair", example="anonnet log repair --data ~/try/log")
@data_option(Kind.LOG)
def log_repair(data: Path) -> Found:
    """Make log.db anew from what the log's mirrors hold, up to the very checkpoints that stand in lock.db.

    For a log whose log.db is damaged, or an older one that was put back; also with its lock.db, where mirrors have
    shown the log at its start what it had signed. The log must not run, its mirrors must. The old file is kept beside
    the new one. Where a single entry is missing or another one, nothing is changed.
    """
    from anonnet_daemons.repairing import repair

    put_back = trio.run(repair, data.absolute())
    words = [f"{origin}: {size} entries" for origin, size in put_back]
    return Found({"shards": dict(put_back)}, [*words, "All of it is back as lock.db has it: start the log."])


@verb(of_mirror, "fsck", example="anonnet mirror fsck --data ~/try/mirror-1")
@data_option(Kind.MIRROR)
def mirror_fsck(data: Path) -> Found:
    """Check all copies that the mirror keeps: each entry by the rules, each hash, each checkpoint and cosignature; and
    what stands beside them: its marks, the keys that were handed to it, its errands and alerts.

    The mirror must not run meanwhile. Nothing is changed. Exit code 1 where something is wrong.
    """
    return _checked(data.absolute(), Kind.MIRROR, MIRROR_STORE, MIRROR_ADVICE)


def _checked(data: Path, kind: Kind, store: str, advice: str) -> Found:
    setup = read_setup(data, kind)
    network = setup.network()
    peer = setup.peer(network)
    with Folder(data):
        kept = Kept(data / store, mirrored=kind is Kind.MIRROR, within=within(setup))
        try:
            whose = {"log" if peer.role is Role.LOG else "mirror": peer.identity}
            fsck = Fsck(network.name, network.logs, kept, **whose)
            faults = list(fsck.faults())
        finally:
            kept.close()
    counts = fsck.counts
    words = [
        f"Checked {counts.entries} entries, {counts.checkpoints} checkpoints and {counts.cosignatures} cosignatures,"
        " the hashes of their trees, the tables by which they are found, and what stands beside them."
    ]
    words += [*(f"WRONG: {fault}." for fault in faults), advice] if faults else ["Nothing is wrong."]
    return Found({**vars(counts), "faults": faults}, words, FAILED if faults else 0)
