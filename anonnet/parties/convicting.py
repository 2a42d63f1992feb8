"""What a mirror's copy of a shard proves against its log: that it has forked, or recorded what breaks a rule.

The proof is passed on as an alert, which stands for itself, and freezes the shard: nothing more of it is taken in.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.errors import Malformed
from anonnet.parties.alerting import Alerting
from anonnet.parties.turn import Turn
from anonnet.protocol.breach import Alert
from anonnet.protocol.logbook import Entries, Entry
from anonnet.protocol.outcome import Logs
from anonnet.store.mirror import Copy, MirrorStore
from anonnet.store.trees import Damaged
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.excerpt import Excerpt, Leaf
from anonnet.tlog.fork import Fork
from anonnet.tlog.merkle import consistency_nodes, leaf_hash, range_root
from anonnet.wire.codec import decode_record

AuditTurn = Turn[MirrorStore]


class Convicting:
    """Makes the proofs, in the turn that finds what they prove."""

    def __init__(self, logs: Logs, alerting: Alerting) -> None:
        self._logs = logs
        self._alerting = alerting

    def forked(self, turn: AuditTurn, copy: Copy, other: SignedCheckpoint) -> None:
        """The log has signed this checkpoint, and one that our copy leads to, of no fewer entries: no tree extends
        both. Raises Damaged."""
        nodes: tuple[bytes, ...] = ()
        if 0 < other.body.size < copy.size:
            nodes = turn.store.trees.consistency(copy.tree, other.body.size, copy.size)
        self.two_trees(turn, copy, Fork(self._by_log(copy, other), self._newest(turn, copy), nodes))

    def parted(self, turn: AuditTurn, copy: Copy, said: Entries, other: SignedCheckpoint) -> bool:
        """The log has signed this checkpoint of more entries than our copy has, and to which it does not lead. True if
        these entries prove it, behind what the copy has before them; else the log's trees part further back, or that is
        not what it signed. Raises Damaged."""
        size = other.body.size
        leaves = [leaf_hash(each.entry) for each in said.entries[: size - said.start]]
        branch = turn.store.trees.branch(copy.tree, said.start, leaves)
        if not copy.size or range_root(branch, 0, size) != other.body.root:
            return False
        nodes = consistency_nodes(branch, copy.size, size)
        self.two_trees(turn, copy, Fork(self._newest(turn, copy), self._by_log(copy, other), nodes))
        return True

    def two_trees(self, turn: AuditTurn, copy: Copy, fork: Fork) -> None:
        """Pass this proof on. Raises Damaged where it proves nothing: the log has signed both, so the copy is wrong."""
        try:
            self._alerting.take_in(turn, Alert(log=copy.log, shard=copy.shard, evidence=fork.encoded()))
        except Malformed:
            raise Damaged from None

    def _by_log(self, copy: Copy, signed: SignedCheckpoint) -> SignedCheckpoint:
        """With the log's signature alone."""
        return SignedCheckpoint.parse(self._logs[copy.log].by_log(copy.shard, signed))

    def _newest(self, turn: AuditTurn, copy: Copy) -> SignedCheckpoint:
        newest = turn.store.shards.mark(copy.tree, copy.size)
        assert newest is not None, "a copy leads to a checkpoint"
        return SignedCheckpoint.parse(newest.note)

    def excerpts(self, turn: AuditTurn, grown: Copy, data: bytes, signed: SignedCheckpoint) -> list[Excerpt]:
        """The entry that may not come next, alone, and with each earlier one that it may stand against."""
        checkpoint = self._by_log(grown, signed)
        try:
            beside = turn.store.beside(grown, decode_record(Entry, data))
        except Malformed:
            beside = []

        def leaf(index: int, entry: bytes) -> Leaf:
            return Leaf(index, entry, tuple(turn.store.trees.inclusion(grown.tree, index, signed.body.size)))

        last = leaf(grown.size, data)
        return [Excerpt((last,), checkpoint), *(Excerpt((leaf(*each), last), checkpoint) for each in beside)]

    def report(self, turn: AuditTurn, copy: Copy, excerpts: Sequence[Excerpt]) -> None:
        """Take nothing more in, and convict the log by the first of these that does; else it is our word alone."""
        turn.store.freeze(copy.log, copy.shard)
        for each in excerpts:
            try:
                self._alerting.take_in(turn, Alert(log=copy.log, shard=copy.shard, evidence=each.encoded()))
                return
            except Malformed:
                continue  # something else stands against the entry
        turn.store.alerts.note(copy.log, copy.shard, excerpts[0].encoded(), turn.now)
