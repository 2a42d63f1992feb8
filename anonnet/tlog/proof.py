"""tlog-proofs (C2SP tlog-proof v1): that an entry is in a log, to be checked offline against a policy.

Self-contained: the entry's index, its inclusion path and the checkpoint with all its cosignatures. This is the commit
certificate of design D10. The entry itself is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.limits import EXTRA_BYTES_MAX, KIB, PATH_HASHES_MAX, TREE_SIZE_MAX
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import verify_inclusion
from anonnet.tlog.note import Verifier
from anonnet.tlog.policy import Evaluation, Policy
from anonnet.tlog.text import from_base64, hash_lines, hashes_of, head_and_rest, number, to_base64

HEADER = "c2sp.org/tlog-proof@v1"
_HEAD_BYTES_MAX = 2 * EXTRA_BYTES_MAX + 4 * KIB  # the extra data in base64, and 64 lines


@dataclass(frozen=True, slots=True)
class LogProof:
    """A proof as it came, nothing verified. `extra` is "not authenticated" even by a proof that holds."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: SignedCheckpoint
    extra: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.index <= TREE_SIZE_MAX or len(self.path) > PATH_HASHES_MAX:
            raise Malformed("a proof is out of bounds")
        if len(self.extra) > EXTRA_BYTES_MAX:
            raise Malformed(f"{len(self.extra)} bytes of extra data, more than {EXTRA_BYTES_MAX}")

    @classmethod
    def parse(cls, data: bytes) -> LogProof:
        """Read a proof in its one form. Raises Malformed."""
        lines, rest = head_and_rest(data, _HEAD_BYTES_MAX)
        header, *lines = lines
        extra = lines.pop(0).removeprefix("extra ") if lines and lines[0].startswith("extra ") else None
        if header != HEADER or not lines or not lines[0].startswith("index ") or extra == "":
            raise Malformed("not a tlog-proof")
        index, path = number(lines[0].removeprefix("index ")), hashes_of(lines[1:], PATH_HASHES_MAX)
        return cls(index, path, SignedCheckpoint.parse(rest), from_base64(extra or ""))

    def encoded(self) -> bytes:
        """Return the proof's bytes, the same that `parse` read."""
        extra = f"extra {to_base64(self.extra)}\n" if self.extra else ""
        head = f"{HEADER}\n{extra}index {self.index}\n{hash_lines(self.path)}\n"
        return head.encode() + self.checkpoint.note.encoded()

    def verified(self, leaf: bytes, policy: Policy, also: Iterable[Verifier] = ()) -> Evaluation:
        """Check that the entry with this leaf hash is in a log at `index`, as the policy has it: return the evaluation.

        Raises Malformed where the checkpoint's quorum is not met, or the path does not lead to its root. `also` as in
        `Policy.evaluate`.
        """
        evaluation = policy.evaluate(self.checkpoint, also)
        if not evaluation.met:
            raise Malformed("the checkpoint of a proof has no quorum")
        tree = evaluation.checkpoint
        if not verify_inclusion(self.index, tree.size, leaf, self.path, tree.root):
            raise Malformed("the path of a proof does not lead from the entry to the checkpoint")
        return evaluation
