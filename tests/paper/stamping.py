"""Time-stamps by witnesses over the scene's log, and entries that a thief of its key has backdated."""

from __future__ import annotations

from anonnet.protocol.known_log import KnownLog, mirror_policy, shard_of
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.quorum import Certificate
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.note import Note
from anonnet.tlog.note import Signer as NoteSigner
from anonnet.tlog.policy import Policy
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import encode
from anonnet.wire.signed import Signed, unsigned
from tests.mirrors import Pen, entry
from tests.paper.scenes import Deal, Scene
from tests.stage import NOON, key_of

WITNESSES = ("witness-0", "witness-1", "witness-2")
TRUSTED = Policy.parse(mirror_policy({name: key_of(name).public for name in WITNESSES}, 2))
"""Two of these three must have seen it."""


def cosigned(note: bytes, times: dict[str, int]) -> SignedCheckpoint:
    """A checkpoint with a cosignature of each of these witnesses, at its time."""
    bare = Note.parse(note)
    lines = [NoteSigner(name, key_of(name)).cosign(bare.text, time) for name, time in times.items()]
    return SignedCheckpoint.parse(Note(bare.text, (*bare.signatures, *lines)).encoded())


def all_at(time: int) -> dict[str, int]:
    return dict.fromkeys(WITNESSES, time)


def newest(scene: Scene, shard: int, times: dict[str, int]) -> Signed:
    """The newest entry of a shard of the scene's log, with its path to what these have cosigned."""
    store = scene.log.store
    size = store.heads.size(shard)
    (*_, recorded) = store.entries(shard, size - 1)
    path = tuple(store.heads.trees.inclusion(shard, size - 1, size))
    proof = LogProof(size - 1, path, cosigned(store.heads.mark(shard, size).note, times))
    return unsigned(Certificate(entry=recorded.entry, proof=proof.encoded())).signed


def stamp(deal: Deal, times: dict[str, int]) -> Signed:
    """A time-stamp of the sale that was recorded last."""
    return newest(deal.scene, shard_of(deal.transaction.expiration), times)


def backdated(deal: Deal, times: dict[str, int]) -> Signed:
    """A sale that was never recorded, as the thief writes it into a tree of his own, with a time before the theft."""
    pen = Pen(KnownLog(key_of("log").public), shard=shard_of(deal.transaction.expiration), begun=NOON)
    pen.write(entry(EntryKind.COMMIT, NOON, encode(deal.authorization_m), deal.transaction.outcome_key))
    proof = LogProof(1, tuple(pen.tree.inclusion(1, 2)), cosigned(pen.notes[2], times))
    return unsigned(Certificate(entry=encode(pen.entries[1]), proof=proof.encoded())).signed
