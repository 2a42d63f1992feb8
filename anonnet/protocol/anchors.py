"""Anchors: the last checkpoint of a shard with its cosignatures, recorded in the log's chain, which outlives the shard.

Whoever kept a certificate checks its checkpoint against the anchor when the shard is gone: it is the anchor's own, or
it comes with a consistency proof, which can be had as long as the shard is kept. Two checkpoints of one shard that
neither extends the other convict the log (anonnet.tlog.fork).
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.errors import Malformed
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import Entry, EntryKind
from anonnet.protocol.quorum import cosignatures
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import verify_consistency


def anchored(known: KnownLog, shard: int, entry: Entry) -> SignedCheckpoint:
    """The last checkpoint of this shard, as an anchor has it: its signatures are its own. Raises Malformed."""
    if entry.kind != EntryKind.ANCHOR:
        raise Malformed("not an anchor")
    last = known.opened(shard, entry.body)
    if not known.decides_alone and not known.agreed(cosignatures(known, last.note)):
        raise Malformed("an anchor that no quorum has cosigned")
    return last


def check_anchored(anchor: SignedCheckpoint, older: SignedCheckpoint, nodes: Sequence[bytes]) -> None:
    """Raise Malformed unless the shard that ended with this anchor extends an older checkpoint of it.

    `nodes`: the consistency proof, as RFC 9162 has it; none where the two are the same.
    """
    if anchor.body.origin != older.body.origin:
        raise Malformed("an anchor of another shard")
    if not verify_consistency(older.body.size, anchor.body.size, older.body.root, anchor.body.root, nodes):
        raise Malformed("the anchored shard does not extend this checkpoint")
