"""What the tests of the log's formats are made from: keys by name, trees by size, signed checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from anonnet.crypto.keys import SigningKey
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.tlog.note import Kind, Note, Signer

ORIGIN = "log.example/2026"
NOON = 1_780_000_000


def signer(name: str) -> Signer:
    return Signer(name, SigningKey(hashlib.sha256(name.encode()).digest()))


LOG = signer(ORIGIN)
LOG_KEY = LOG.verifier(Kind.ED25519)


def entries(size: int, seed: bytes = b"") -> list[bytes]:
    return [b"%s entry %d" % (seed, index) for index in range(size)]


def tree(leaves: Sequence[bytes]) -> Tree:
    return Tree.from_leaves(b"".join(leaf_hash(entry) for entry in leaves))


def signed(
    size: int, root: bytes, cosigners: Sequence[tuple[Signer, int]] = (), origin: str = ORIGIN, by: Signer = LOG
) -> SignedCheckpoint:
    """A checkpoint with the log's signature, and each cosigner's at its time."""
    text = Checkpoint(origin, size, root).text
    signatures = [by.sign(text), *(cosigner.cosign(text, time) for cosigner, time in cosigners)]
    return SignedCheckpoint.parse(Note(text, tuple(signatures)).encoded())


def mutations(text: str) -> list[str]:
    """All texts that differ from this one in one character: another, one less, one more."""
    others = "\n +=A0b\u2014\u00a0\x00"
    changed = [text[:at] + other + text[at + 1 :] for at in range(len(text)) for other in others]
    added = [text[:at] + other + text[at:] for at in range(len(text) + 1) for other in others]
    flipped = [text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :] for at in range(len(text))]
    removed = [text[:at] + text[at + 1 :] for at in range(len(text))]
    return [each for each in {*changed, *added, *flipped, *removed} if each != text]


def consistency_nodes(tree: Tree, old: int, new: int) -> tuple[bytes, ...]:
    """What shows to anyone who knows the root of `new` leaves the root of the first `old` < `new` of them."""
    own = [tree.root(old)] if old & (old - 1) == 0 else []
    return (*own, *tree.consistency(old, new))
