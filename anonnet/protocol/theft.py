"""A log whose key was stolen, for a reader who is told when (paper, section "Cryptographic Time-Stamps").

"If the log is compromised, the log entries made prior to the time of compromise may still be trusted": those that
others have seen there by then. What a log that decides alone has signed says nothing of when: a thief signs it too,
with whatever time. A commit of such a log counts still where its entry stands under a checkpoint that a quorum of
witnesses whom the reader trusts had cosigned before, or under a shard's last one that had its place in the chain by
then. Under a quorum of mirrors no outcome rests on the log's signature, so none is lost with its key; what is lost is
that the log can be convicted by it.
"""

from __future__ import annotations

from anonnet.errors import Malformed
from anonnet.protocol.known_log import CHAIN, KnownLog, Theft, shard_of
from anonnet.protocol.logbook import Entry, EntryKind
from anonnet.protocol.quorum import Certificate, entry_of_kind, transaction_of
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.merkle import leaf_hash, verify_inclusion
from anonnet.tlog.proof import LogProof


class Stolen(Malformed):
    """Signed with a key that was stolen, and nobody else says that it was before."""

    def __init__(self, theft: Theft) -> None:
        super().__init__(f"the key of its log was stolen in second {theft.at}, and nobody has seen it there before")


def stamped(known: KnownLog, certificate: Certificate, theft: Theft) -> Entry:
    """The commit, open or sealed, that stood in a shard of this log before the theft. Raises Malformed."""
    entry = entry_of_kind(certificate, EntryKind.COMMIT)
    _check_stood(known, shard_of(transaction_of(entry).expiration), certificate, theft)
    return entry


def anchored(known: KnownLog, certificate: Certificate, theft: Theft) -> Checkpoint:
    """The last checkpoint of a shard that stood in the log's chain before the theft. Raises Malformed."""
    entry = certificate.recorded
    if entry.kind != EntryKind.ANCHOR:
        raise Malformed("not an anchor")
    _check_stood(known, CHAIN, certificate, theft)
    last = SignedCheckpoint.parse(entry.body)
    shard = known.shard_called(last.body.origin)
    if shard is None:
        raise Malformed("an anchor of another log")
    return known.opened(shard, entry.body).body


def _check_stood(known: KnownLog, shard: int, certificate: Certificate, theft: Theft) -> None:
    """Raise Malformed unless this entry stands there, and Stolen unless others have seen it there before."""
    proof = LogProof.parse(certificate.proof)
    found = theft.witnesses.evaluate(proof.checkpoint, also=[known.verifier(shard)])
    tree = found.checkpoint
    if not verify_inclusion(proof.index, tree.size, leaf_hash(certificate.entry), proof.path, tree.root):
        raise Malformed("the path of a time-stamp does not lead from the entry to the checkpoint")
    seen_before = found.time is not None and 0 < found.time < theft.at  # a quorum `none` says no time
    if not seen_before and tree not in theft.anchored:
        raise Stolen(theft)
