"""Excerpts: some leaves of one tree, each with its inclusion path, under one checkpoint that the tree's log has signed.

An excerpt shows that a log has signed for these entries at these places, in this order. It stands for itself, as a fork
proof does: whoever has the log's key can verify it, whoever brought it. What the entries mean is for its reader.

    anonnet log-excerpt@v1
    leaf <index> <the entry in base64>
    <base64 hash>*            the inclusion path, the leaf's sibling first; then further leaves, in ascending order
    <empty line>
    <signed checkpoint>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from anonnet.errors import Malformed
from anonnet.limits import ENTRY_BYTES_MAX, EXCERPT_LEAVES_MAX, KIB, PATH_HASHES_MAX
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import leaf_hash, verify_inclusion
from anonnet.tlog.note import Verifier
from anonnet.tlog.text import from_base64, hash_lines, hashes_of, head_and_rest, number, to_base64

HEADER = "anonnet log-excerpt@v1"
_HEAD_BYTES_MAX = EXCERPT_LEAVES_MAX * (2 * ENTRY_BYTES_MAX + 4 * KIB)  # base64, and 64 lines, for each leaf


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry, where it stands, and its inclusion path; nothing verified."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Leaves in ascending order, and the checkpoint that covers them; nothing verified."""

    leaves: tuple[Leaf, ...]
    checkpoint: SignedCheckpoint

    def __post_init__(self) -> None:
        if not 1 <= len(self.leaves) <= EXCERPT_LEAVES_MAX:
            raise Malformed(f"an excerpt of {len(self.leaves)} leaves")
        if any(earlier.index >= later.index for earlier, later in pairwise(self.leaves)):
            raise Malformed("the leaves of an excerpt are out of order")
        if any(len(leaf.path) > PATH_HASHES_MAX or len(leaf.entry) > ENTRY_BYTES_MAX for leaf in self.leaves):
            raise Malformed("a leaf of an excerpt is out of bounds")

    @classmethod
    def parse(cls, data: bytes) -> Excerpt:
        """Read an excerpt in its one form. Raises Malformed."""
        lines, note = head_and_rest(data, _HEAD_BYTES_MAX)
        starts = [at for at, line in enumerate(lines) if line.startswith("leaf ")]
        if lines[0] != HEADER or starts[:1] != [1]:
            raise Malformed("not an excerpt")
        ends = [*starts[1:], len(lines)]
        leaves = tuple(_leaf(lines[start], lines[start + 1 : end]) for start, end in zip(starts, ends, strict=True))
        return cls(leaves, SignedCheckpoint.parse(note))

    def encoded(self) -> bytes:
        """Return the excerpt's bytes, the same that `parse` read."""
        leaves = "".join(f"leaf {each.index} {to_base64(each.entry)}\n{hash_lines(each.path)}" for each in self.leaves)
        return f"{HEADER}\n{leaves}\n".encode() + self.checkpoint.note.encoded()

    def holds(self, origin: str, keys: Sequence[Verifier]) -> bool:
        """Tell whether the log with these keys has signed for a tree of this origin with these leaves.

        The caller knows that the keys are that log's alone.
        """
        tree = self.checkpoint.body
        if tree.origin != origin:
            return False
        try:
            self.checkpoint.note.opened(keys)
        except Malformed:
            return False
        return all(
            verify_inclusion(leaf.index, tree.size, leaf_hash(leaf.entry), leaf.path, tree.root) for leaf in self.leaves
        )


def _leaf(line: str, path: list[str]) -> Leaf:
    index, blank, entry = line.removeprefix("leaf ").partition(" ")
    if not blank or not entry:
        raise Malformed("not a leaf of an excerpt")
    return Leaf(number(index), from_base64(entry), hashes_of(path, PATH_HASHES_MAX))
