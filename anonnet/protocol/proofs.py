"""Certificates for all entries of a bundle at once, so that who looks for one of them does not show which.

    C -> mirror   the bundle that begins here          proofs_of
    mirror -> C   its leaf hashes, and what leads from them to a checkpoint with a quorum      proofs

A certificate says which sale it is about, and so does a question for it. This question names a place that ENTRIES_MAX
entries share, in the same bytes for all of them; the asker, who has read them all, makes the certificate of the one
that is its own.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.crypto.hashing import HASH_BYTES
from anonnet.errors import Malformed
from anonnet.limits import CHECKPOINT_BYTES_MAX, ENTRIES_MAX, KIB, PATH_HASHES_MAX
from anonnet.protocol.fields import Hash, Index, Shard
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.steps import Step
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import Between, Message, message

_HASHES_BYTES = (ENTRIES_MAX + PATH_HASHES_MAX) * (HASH_BYTES + 2)  # with their heads in msgpack


@message(Step.PROOFS_OF, signed=False, frame_max=KIB)
class ProofsOf(Message):
    """Anyone -> a mirror: what proves each entry of the bundle that begins at `start`, under a checkpoint with a quorum
    and of more than `beyond` entries: of how many the asker has been told before. Held until there is one that covers
    some of the bundle."""

    log: Hash
    shard: Shard
    start: Index
    beyond: Index

    def check(self) -> None:
        if self.start % ENTRIES_MAX:
            raise Malformed("no bundle of entries begins there")


@message(Step.PROOFS, signed=False, frame_max=_HASHES_BYTES + CHECKPOINT_BYTES_MAX + KIB)
class Proofs(Message):
    """Mirror -> anyone: the newest checkpoint with a quorum, the leaf hashes of the bundle as far as it covers it, and
    the nodes that lead from their root to the checkpoint's, the sibling first. Nothing of all that where there is no
    such checkpoint."""

    shard: Shard
    start: Index
    checkpoint: Annotated[bytes, Between(0, CHECKPOINT_BYTES_MAX)] = b""
    leaves: Annotated[tuple[Hash, ...], Between(0, ENTRIES_MAX)] = ()
    nodes: Annotated[tuple[Hash, ...], Between(0, PATH_HASHES_MAX)] = ()

    def check(self) -> None:
        if not self.checkpoint and (self.leaves or self.nodes):
            raise Malformed("hashes without the checkpoint that covers them")

    @property
    def size(self) -> int:
        """How many entries the checkpoint covers, nothing verified. Raises Malformed."""
        return SignedCheckpoint.parse(self.checkpoint).body.size

    def check_answers(self, asked: ProofsOf) -> None:
        """Raise Malformed unless this is about the bundle that was asked for, and tells more than was known of it."""
        if (self.shard, self.start) != (asked.shard, asked.start):
            raise Malformed("proofs of another bundle than was asked for")
        if not self.checkpoint:
            return
        if self.size <= max(asked.start, asked.beyond):
            raise Malformed("a checkpoint that tells nothing of what was asked")
        if len(self.leaves) != min(ENTRIES_MAX, self.size - self.start):
            raise Malformed("not the leaves of the bundle that the checkpoint covers")

    def shows(self, index: int, entry: bytes) -> bool:
        """True if this entry stands at this index of the shard, as these leaves have it. They prove nothing yet."""
        at = index - self.start
        return 0 <= at < len(self.leaves) and self.leaves[at] == leaf_hash(entry)

    def certificate(self, index: int, entry: bytes) -> Certificate:
        """That of an entry which stands at this index by these proofs, to be verified like any other. Raises
        Malformed where there is none."""
        within = Tree.from_leaves(b"".join(self.leaves)).inclusion(index - self.start, len(self.leaves))
        proof = LogProof(index, (*within, *self.nodes), SignedCheckpoint.parse(self.checkpoint))
        return Certificate(entry=entry, proof=proof.encoded())
