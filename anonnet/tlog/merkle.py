"""The Merkle tree of RFC 6962 (section 2.1) and RFC 9162 (section 2.1): roots, inclusion and consistency proofs.

`Tree` holds all leaves and makes proofs; `Frontier` follows a growing tree in O(log n) memory and knows only its root;
the verifiers need neither. All values are SHA-256 hashes of 32 bytes; entries themselves are never held here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry. RFC 6962: the prefix 0x00 keeps leaves from passing for nodes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size` (at least 2): where a tree divides."""
    return 1 << (size - 1).bit_length() - 1


Nodes = Callable[[int, int], bytes]
"""The root of the complete subtree over [i * 2**level, (i + 1) * 2**level), given (level, i)."""


def range_root(node: Nodes, start: int, end: int) -> bytes:
    """Return MTH(D[start:end]) of a range that RFC 6962's division yields: complete subtrees are looked up."""
    size = end - start
    if size == 0:
        return EMPTY_ROOT
    level = size.bit_length() - 1
    if size == 1 << level:
        return node(level, start // size)
    middle = start + _split(size)
    return node_hash(range_root(node, start, middle), range_root(node, middle, end))


def inclusion_path(node: Nodes, index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[size]), the leaf's sibling first, for index < size."""
    return subtree_path(node, index, index + 1, size)


def subtree_path(node: Nodes, start: int, end: int, size: int) -> list[bytes]:
    """Return what leads from MTH(D[start:end]) to the root of `size` leaves, its sibling first, for a range that RFC
    6962's division yields: PATH of each leaf in that range ends with it."""
    path: list[bytes] = []
    low, high = 0, size
    while (low, high) != (start, end):
        assert low <= start < end <= high, "a range that the division of the tree does not yield"
        middle = low + _split(high - low)
        if start < middle:
            path.append(range_root(node, middle, high))
            high = middle
        else:
            path.append(range_root(node, low, middle))
            low = middle
    return path[::-1]


def consistency_path(node: Nodes, old: int, new: int) -> list[bytes]:
    """Return PROOF(old, D[new]) for 1 <= old <= new."""
    path: list[bytes] = []
    start, end = 0, new
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_root(node, middle, end))
            end = middle
        else:
            path.append(range_root(node, start, middle))
            start = middle
    if start > 0:  # else the old tree is a whole left subtree, whose root the verifier holds
        path.append(range_root(node, start, end))
    return path[::-1]


def consistency_nodes(node: Nodes, old: int, new: int) -> tuple[bytes, ...]:
    """Return what shows to who knows the root of `new` leaves that of the first `old` of them, for 0 < old < new."""
    own = [range_root(node, 0, old)] if old & (old - 1) == 0 else []
    return (*own, *consistency_path(node, old, new))


class Tree:
    """A tree that keeps all its leaves: 64 bytes for each, in one byte array per level of complete subtrees."""

    def __init__(self) -> None:
        self._levels = [bytearray()]

    @classmethod
    def from_leaves(cls, leaves: bytes) -> Tree:
        """Build the tree over `leaves`, 32-byte leaf hashes one after the other (ValueError for another length)."""
        if len(leaves) % HASH_BYTES:
            raise ValueError("leaves are hashes of 32 bytes")
        tree = cls()
        tree._levels = [bytearray(leaves)]
        while (pairs := len(tree._levels[-1]) // (2 * HASH_BYTES)) > 0:
            below, two = bytes(tree._levels[-1]), 2 * HASH_BYTES
            above = b"".join(hashlib.sha256(b"\x01" + below[i * two : (i + 1) * two]).digest() for i in range(pairs))
            tree._levels.append(bytearray(above))
        return tree

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0]) // HASH_BYTES

    @property
    def leaves(self) -> bytes:
        """The leaf hashes, one after the other."""
        return bytes(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right end, and every subtree that it completes."""
        if len(leaf) != HASH_BYTES:
            raise ValueError("a leaf hash has 32 bytes")
        completed, level = leaf, 0
        self._levels[0] += leaf
        while len(self._levels[level]) % (2 * HASH_BYTES) == 0:
            completed = node_hash(bytes(self._levels[level][-2 * HASH_BYTES : -HASH_BYTES]), completed)
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += completed

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` leaves, of all by default; ValueError beyond the tree."""
        size = self.size if size is None else size
        self._check(0 <= size <= self.size)
        return range_root(self._node, 0, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return PATH(index, D[size]), the leaf's sibling first; ValueError unless index < size <= tree size."""
        self._check(0 <= index < size <= self.size)
        return inclusion_path(self._node, index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return PROOF(old, D[new]); ValueError unless 1 <= old <= new <= tree size."""
        self._check(1 <= old <= new <= self.size)
        return consistency_path(self._node, old, new)

    def subtree_roots(self, level: int, start: int, end: int) -> bytes:
        """Return MTH(D[i * 2**level : (i + 1) * 2**level]) for i from `start` to before `end`, one after the other.

        ValueError unless all these subtrees are complete.
        """
        row = self._levels[level] if level < len(self._levels) else b""
        self._check(0 <= start <= end <= len(row) // HASH_BYTES)
        return bytes(row[start * HASH_BYTES : end * HASH_BYTES])

    def subtree_root(self, start: int, end: int) -> bytes:
        """Return MTH(D[start:end]) of a range such as RFC 6962's division yields.

        ValueError beyond the tree, or where `start` is not a multiple of the least power of two that spans the range.
        """
        self._check(0 <= start < end <= self.size and start % (1 << (end - start - 1).bit_length()) == 0)
        return range_root(self._node, start, end)

    def _check(self, holds: bool) -> None:
        if not holds:
            raise ValueError(f"outside of a tree of {self.size} leaves")

    def _node(self, level: int, index: int) -> bytes:
        at = index * HASH_BYTES
        return bytes(self._levels[level][at : at + HASH_BYTES])


class Frontier:
    """The right edge of a growing tree: roots of its complete subtrees, largest first. Makes roots, no proofs."""

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        """Start empty, or from an earlier frontier's `size` and `subtrees` (ValueError where they do not match)."""
        if size < 0 or len(subtrees) != size.bit_count() or any(len(root) != HASH_BYTES for root in subtrees):
            raise ValueError("a frontier holds one hash for each bit set in its size")
        self.size = size
        self._subtrees = list(subtrees)

    @property
    def subtrees(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, one per bit set in `size`, largest first."""
        return tuple(self._subtrees)

    def append(self, leaf: bytes) -> list[bytes]:
        """Add one leaf hash; return it, and behind it the root of each larger subtree that it completes."""
        if len(leaf) != HASH_BYTES:
            raise ValueError("a leaf hash has 32 bytes")
        completed, size = [leaf], self.size
        while size & 1:
            completed.append(node_hash(self._subtrees.pop(), completed[-1]))
            size >>= 1
        self._subtrees.append(completed[-1])
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        *rest, root = self._subtrees
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `path` shows `leaf` (a leaf hash) at `index` in the tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or any(len(value) != HASH_BYTES for value in (leaf, *path)):
        return False
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            node, last = _skip_right_edge(node, last)
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether `path` shows that the tree of `new` leaves extends that of `old` (RFC 9162, 2.1.4.2).

    `old` = 0 is refused, as the published vectors demand: everything extends the empty tree, without a proof.
    """
    if old == new:
        return old > 0 and not path and old_root == new_root
    nodes = [old_root, *path] if old & (old - 1) == 0 else path
    return fold_consistency(old, new, nodes) == (old_root, new_root)


def fold_consistency(old: int, new: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the roots of the trees of `old` and `new` leaves to which the nodes of a consistency proof lead.

    `nodes` begin with the root of the old tree where the proof leaves it out, that is where `old` is a power of two.
    None where sizes and nodes do not fit. If no two inputs have one hash, the old root is that of the first `old`
    leaves of whichever tree has the new root.
    """
    if not 0 < old < new or not nodes or any(len(value) != HASH_BYTES for value in nodes):
        return None
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_result = new_result = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old_result, new_result = node_hash(sibling, old_result), node_hash(sibling, new_result)
            node, last = _skip_right_edge(node, last)
        else:
            new_result = node_hash(new_result, sibling)
        node, last = node >> 1, last >> 1
    return (old_result, new_result) if last == 0 else None


def _skip_right_edge(node: int, last: int) -> tuple[int, int]:
    """Go up past levels at which the node has no sibling ("If LSB(fn) is not set, then right-shift ... ")."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last
