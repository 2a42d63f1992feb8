"""A log and its mirrors, seen from outside: what each of them holds on its disk, whether its daemon lives or not.

What one has said, another may have kept. So where a daemon has been killed, nothing that the others have of its word
may be missing in its folder: the entries under a log's checkpoints, and the trees that a mirror has cosigned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anonnet_daemons.cli.checking import LOG_STORE, MIRROR_STORE
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

from anonnet.protocol.network import Role
from anonnet.store.checking import Kept, KeptShard
from anonnet.tlog.merkle import Tree, leaf_hash
from tests.real.processes import anonnet

from .shop import Shop

MIRRORS, QUORUM = 4, 3
ABSENT = f"{Kind.MIRROR}-{MIRRORS}"
"""It never runs, so that every other one is needed for a quorum."""


@dataclass
class Copy:
    """A shard as one of them holds it."""

    tree: Tree = field(default_factory=Tree)
    cosigned: dict[bytes, int] = field(default_factory=dict)
    """The largest tree that each mirror is known here to have cosigned, by its key."""

    @classmethod
    def read(cls, kept: KeptShard) -> Copy:
        cosigned = {mirror: size for size, mirror, _ in kept.cosignatures()}
        return cls(Tree.from_leaves(b"".join(leaf_hash(each.body) for each in kept.entries())), cosigned)

    def extends(self, other: Copy, size: int) -> bool:
        """True if the first `size` entries of the other one stand here too."""
        return size <= self.tree.size and self.tree.root(size) == other.tree.root(size)


def leave_one_out(local: LocalNetwork) -> None:
    """One mirror of the policy does not run."""
    del local.daemons[ABSENT]


def holders(shop: Shop) -> list[str]:
    """The log and the mirrors that run, by name."""
    return [name for name, each in shop.local.daemons.items() if each.kind in (Kind.LOG, Kind.MIRROR)]


def copies(shop: Shop, holder: str) -> dict[int, Copy]:
    """What one of them holds, by shard."""
    daemon, log = shop.local[holder], shop.local.peer(Kind.LOG)
    mirrored = daemon.kind is Kind.MIRROR
    kept = Kept(daemon.folder / (MIRROR_STORE if mirrored else LOG_STORE), mirrored=mirrored)
    try:
        return {each.shard: Copy.read(each) for each in kept.shards(log.identity)}
    finally:
        kept.close()


def check_remembered(shop: Shop, dead: str) -> None:
    """Whatever the others have of this one's word stands in its folder."""
    own, key, is_log = copies(shop, dead), shop.local.peer(dead).key, shop.local[dead].kind is Kind.LOG
    for holder in holders(shop):
        for shard, copy in copies(shop, holder).items():
            said = copy.tree.size if is_log else copy.cosigned.get(key, 0)
            if holder != dead:
                assert own.get(shard, Copy()).extends(copy, said), f"{dead} has forgotten what {holder} has of it"


async def at_rest(shop: Shop) -> bool | None:
    """True once all hold the same, and each the others' cosignatures under it; None until then."""
    found = [copies(shop, holder) for holder in holders(shop)]
    mirrors = {each.key for each in shop.local.network.all(Role.MIRROR) if each.name in shop.local.daemons}
    for copy in (copy for each in found for copy in each.values() if copy.tree.size):
        if {key for key, size in copy.cosigned.items() if size == copy.tree.size} != mirrors:
            return None
    states = [{shard: copy.tree.root() for shard, copy in each.items() if copy.tree.size} for each in found]
    return all(state == states[0] for state in states) or None


async def check_stopped(shop: Shop) -> str:
    """Stop the log and its mirrors, have each checked whole by the rules; what was looked at, in words."""
    words = []
    for holder in holders(shop):
        daemon = shop.local[holder]
        assert await daemon.stop() == 0
        ran = await anonnet(shop.local.home, daemon.kind, "fsck", "--data", daemon.folder, "--json")
        assert ran.code == 0, f"{holder}: {ran.out}{ran.err}"
        words.append(f"{holder} {ran.json['entries']} entries, {ran.json['cosignatures']} cosignatures")
    return ", ".join(words)
