"""A log as those who rely on it know it: whose signature its checkpoints bear, and whose cosignatures they need.

The policy is part of the log's name L, so that bank, merchant, consumer and judge cannot apply different ones to it.
The paper's own trust model is the policy `none`: the log decides alone. Any other policy is a C2SP tlog-policy in its
canonical form, which lists the log's mirrors as witnesses; then nothing that the log says alone moves money.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache

from anonnet.crypto.keys import SIGNATURE_BYTES, SigningKey
from anonnet.errors import Malformed
from anonnet.limits import CHECKPOINT_BYTES_MAX, TREE_SIZE_MAX, VERIFIERS_REMEMBERED
from anonnet.protocol.transaction import NO_POLICY, log_id
from anonnet.times import SHARD_SECONDS
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.cosignature import TIME_BYTES
from anonnet.tlog.merkle import HASH_BYTES
from anonnet.tlog.note import Kind, Note, Signature, Signer, Verifier
from anonnet.tlog.policy import NONE, Group, Policy, Witness
from anonnet.tlog.text import number

CHAIN = 0
"""The number of the shard that is never dropped: brands, and the last checkpoint of every other shard."""


def shard_of(expiration: int) -> int:
    """The shard in which a transaction with this expiration is recorded: everyone can tell it, whole shards expire."""
    return 1 + expiration // SHARD_SECONDS


def expirations_of(shard: int) -> range:
    """The expirations of the transactions in a shard, which is not the chain."""
    assert shard != CHAIN, "the chain holds no transactions"
    return range((shard - 1) * SHARD_SECONDS, shard * SHARD_SECONDS)


def mirror_policy(mirrors: dict[str, bytes], threshold: int) -> bytes:
    """The canonical policy under which `threshold` of these mirrors (name -> signing key) decide. Raises Malformed."""
    witnesses = [
        Witness(name.encode(), Verifier.of(name, Kind.COSIGNATURE, key)) for name, key in sorted(mirrors.items())
    ]
    group = Group(b"mirrors", threshold, tuple(witness.name for witness in witnesses))
    return Policy((*witnesses, group), group.name).canonical()


NOBODY = Policy((), NONE)
"""No witnesses."""


@dataclass(frozen=True, slots=True)
class Theft:
    """From the second `at` on, as its reader believes, somebody else may have signed with a log's key."""

    at: int
    witnesses: Policy = NOBODY
    """Those by whose cosignatures he believes when something stood in the log."""
    anchored: frozenset[Checkpoint] = frozenset()
    """Last checkpoints of shards, as the log's chain had them before."""


@dataclass(frozen=True)
class KnownLog:
    """A log's signing key and its policy. `check` it when it comes from outside."""

    key: bytes
    policy: bytes = NO_POLICY
    theft: Theft | None = None
    """Of the key, where somebody was told of one: see `anonnet.protocol.theft`."""

    @cached_property
    def identity(self) -> bytes:
        """L."""
        return log_id(self.key, self.policy)

    @property
    def decides_alone(self) -> bool:
        """True under the policy `none`."""
        return self.policy == NO_POLICY

    @cached_property
    def quorum(self) -> Policy:
        """The policy, parsed. Raises Malformed where it is none, and under the policy `none`."""
        return Policy.parse(self.policy)

    @cached_property
    def mirrors(self) -> dict[bytes, bytes]:
        """The name in the policy of each mirror that counts, by its key."""
        if self.decides_alone:
            return {}
        counted = self.quorum.counted
        return {each.key.public: each.name for each in self.quorum.witnesses if each.name in counted}

    @property
    def liars(self) -> int:
        """f: how many mirrors may lie, and still no sale both commits and aborts. Two quorums of t among m share more
        than f of them: 2t > m + f."""
        (group,) = self.quorum.groups
        return 2 * group.threshold - len(group.members) - 1

    def check(self) -> None:
        """Raise Malformed unless the policy is one that a log can have: in its one form, naming mirrors only, whose
        cosignatures all who keep them can count, and such that any two quorums share a mirror (else a sale could both
        commit and abort)."""
        if self.decides_alone:
            return
        if self.quorum.canonical() != self.policy or self.quorum.logs:
            raise Malformed("a log's policy is in canonical form and lists no logs")
        if len(self.quorum.groups) != 1 or self.quorum.quorum != self.quorum.groups[0].name:
            raise Malformed("a log's policy has one group of mirrors, which is its quorum")
        (group,) = self.quorum.groups
        if 2 * group.threshold <= len(group.members):
            raise Malformed("two quorums of a log's policy need not share a mirror")
        keys = {each.name: each.key for each in self.quorum.witnesses}
        if any((key.name.encode(), key.kind) != (name, Kind.COSIGNATURE) for name, key in keys.items()):
            raise Malformed("a log's policy calls a mirror otherwise than its key does, or nobody can check its key")
        if self._note_bytes_max() > CHECKPOINT_BYTES_MAX:
            raise Malformed("the names of a log's mirrors are too long for a checkpoint with all their cosignatures")

    def _note_bytes_max(self) -> int:
        """How long a checkpoint with all its cosignatures can be."""
        origin = self.origin(TREE_SIZE_MAX)
        lines = [Signature.of(_verifier(origin, self.key), bytes(SIGNATURE_BYTES))]
        lines += [Signature.of(each.key, bytes(TIME_BYTES + SIGNATURE_BYTES)) for each in self.quorum.witnesses]
        return len(Note(Checkpoint(origin, TREE_SIZE_MAX, bytes(HASH_BYTES)).text, tuple(lines)).encoded())

    def origin(self, shard: int) -> str:
        """The origin of a shard's checkpoints: it follows from L, so no directory of names needs to be believed."""
        return f"anonnet/{self.identity.hex()}/{'chain' if shard == CHAIN else shard}"

    def shard_called(self, origin: str) -> int | None:
        """The shard whose checkpoints have this origin; None where it is none of this log's."""
        try:
            shard = number(origin.rpartition("/")[2])
        except Malformed:
            shard = CHAIN
        return shard if origin == self.origin(shard) else None

    def sealed(self, key: SigningKey, shard: int, size: int, root: bytes) -> bytes:
        """The checkpoint of a shard with so many leaves and this root, as a note signed with the log's key."""
        text = Checkpoint(self.origin(shard), size, root).text
        return Note(text, (Signer(self.origin(shard), key).sign(text),)).encoded()

    def opened(self, shard: int, data: bytes) -> SignedCheckpoint:
        """A checkpoint of this shard that the log has signed. Raises Malformed.

        Ours have no extension lines: cosignatures cover the whole text, and whoever keeps them by size and root must
        not take those under another text for his own.
        """
        signed = SignedCheckpoint.parse(data)
        if signed.body.origin != self.origin(shard):
            raise Malformed("a checkpoint of another shard")
        if signed.body.extensions:
            raise Malformed("a checkpoint with extension lines")
        signed.note.opened([self.verifier(shard)])
        return signed

    def by_log(self, shard: int, signed: SignedCheckpoint) -> bytes:
        """The note of a checkpoint of this shard that the log has signed, with the log's signature alone."""
        verifier = self.verifier(shard)
        lines = [each for each in signed.note.signatures if (each.name, each.id) == (verifier.name, verifier.id)]
        return Note(signed.note.text, (lines[0],)).encoded()

    def verifier(self, shard: int) -> Verifier:
        """Verifies the log's signature on the checkpoints of a shard."""
        return _verifier(self.origin(shard), self.key)

    def agreed(self, signers: Collection[bytes]) -> bool:
        """True if these signing keys are a quorum of the policy."""
        return self.quorum.agreed({self.mirrors[key] for key in signers if key in self.mirrors})


@lru_cache(VERIFIERS_REMEMBERED)  # the checkpoints of a shard come one after the other
def _verifier(origin: str, key: bytes) -> Verifier:
    return Verifier.of(origin, Kind.ED25519, key)
