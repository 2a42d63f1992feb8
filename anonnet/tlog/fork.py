"""Fork proofs: two checkpoints of one origin, both signed by its log, that no consistency proof can reconcile.

A proof stands for itself: whoever has the log's key can verify it, whoever brought it, and an honest log cannot be
convicted unless two inputs of SHA-256 have one hash. It holds in one of two ways. Same size, other root: nothing more
is needed. Or a larger tree, and nodes as in a consistency proof that lead to the larger tree's root and so show what
the root of its first leaves is, which is not the root that the log signed for the smaller tree. With the key of a
cosigner in place of the log's, the same convicts a cosigner.

    anonnet fork-proof@v1
    lower <bytes of the lower note>
    <base64 hash>*            nodes: the consistency proof, after the old tree's own root where RFC 6962 leaves that out
    <empty line>
    <lower note><upper note>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.limits import KIB, PATH_HASHES_MAX
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import EMPTY_ROOT, fold_consistency
from anonnet.tlog.note import Verifier
from anonnet.tlog.text import hash_lines, hashes_of, head_and_rest, number

HEADER = "anonnet fork-proof@v1"
_HEAD_BYTES_MAX = 4 * KIB  # 66 lines
_NODES_MAX = PATH_HASHES_MAX + 1


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed checkpoints and the nodes between them, nothing verified. The lower is not the larger one."""

    lower: SignedCheckpoint
    upper: SignedCheckpoint
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.lower.body.size > self.upper.body.size or len(self.nodes) > _NODES_MAX:
            raise Malformed("a fork proof is out of order or out of bounds")

    @classmethod
    def parse(cls, data: bytes) -> Fork:
        """Read a fork proof in its one form. Raises Malformed."""
        lines, notes = head_and_rest(data, _HEAD_BYTES_MAX)
        if len(lines) < 2 or lines[0] != HEADER or not lines[1].startswith("lower "):
            raise Malformed("not a fork proof")
        length = number(lines[1].removeprefix("lower "))
        lower, upper = SignedCheckpoint.parse(notes[:length]), SignedCheckpoint.parse(notes[length:])
        return cls(lower, upper, hashes_of(lines[2:], _NODES_MAX))

    def encoded(self) -> bytes:
        """Return the proof's bytes, the same that `parse` read."""
        lower, upper = self.lower.note.encoded(), self.upper.note.encoded()
        return f"{HEADER}\nlower {len(lower)}\n{hash_lines(self.nodes)}\n".encode() + lower + upper

    def convicts(self, origin: str, keys: Sequence[Verifier]) -> bool:
        """Tell whether this proves that the log with these keys forked `origin`.

        The caller knows that the keys are that log's alone. False too where a signature is missing or does not hold.
        """
        lower, upper = self.lower.body, self.upper.body
        if (lower.origin, upper.origin) != (origin, origin):
            return False
        try:
            self.lower.note.opened(keys)
            self.upper.note.opened(keys)
        except Malformed:
            return False
        if lower.size == upper.size:
            return not self.nodes and lower.root != upper.root
        if lower.size == 0:  # everything extends the empty tree, but only one root is its own
            return not self.nodes and lower.root != EMPTY_ROOT
        roots = fold_consistency(lower.size, upper.size, self.nodes)
        return roots is not None and roots[1] == upper.root and roots[0] != lower.root
