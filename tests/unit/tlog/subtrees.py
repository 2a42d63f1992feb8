"""Subtrees and their proofs (draft-ietf-plants-merkle-tree-certs, section 4): that a run of entries belongs to a tree.

The reference beside which the paths of `anonnet.tlog.merkle` and of trees in a table are held: as the draft has them,
over a tree in memory. Any prefix of a tree is a subtree, and so is any aligned run; the proof for a prefix is the
consistency proof of RFC 6962.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.tlog import merkle
from anonnet.tlog.merkle import EMPTY_ROOT, HASH_BYTES, Tree, node_hash


def is_subtree(start: int, end: int) -> bool:
    """Tell whether [start, end) is a subtree: not empty, `start` a multiple of the power of two that spans it."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def prove(tree: Tree, start: int, end: int, size: int) -> list[bytes]:
    """Return the proof that the subtree [start, end) is part of the tree's first `size` leaves, lowest node first.

    ValueError unless it is a subtree, or empty, and start <= end <= size <= tree size.
    """
    if not 0 <= start <= end <= size <= tree.size or not (start == end or is_subtree(start, end)):
        raise ValueError(f"no subtree of a tree of {tree.size} leaves")
    if start == end:
        return []
    path: list[bytes] = []
    low, high, whole = 0, size, True  # the range under division; whole: its root is what the verifier holds
    while (start, end) != (low, high):
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if end <= middle:
            path.append(tree.subtree_root(middle, high))
            high = middle
        else:  # on the right side, or on both: then it begins at `low`, and only its right part is still to be shown
            path.append(tree.subtree_root(low, middle))
            whole = whole and start >= middle
            start = max(start, middle)
            low = middle
    return path[::-1] if whole else [tree.subtree_root(low, high), *path[::-1]]


def verify(start: int, end: int, size: int, subtree_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether `path` shows that the tree of `size` leaves with `root` holds this subtree at [start, end).

    The empty subtree at any place needs no proof (draft, section 4.4.3, and tlog-mirror for the empty one).
    """
    if 0 <= start == end <= size:
        return not path and subtree_root == EMPTY_ROOT
    if not is_subtree(start, end) or end > size or any(len(value) != HASH_BYTES for value in (subtree_root, *path)):
        return False
    first, node, last = start, end - 1, size - 1
    while first != node and (node & 1 or node == last):
        first, node, last = first >> 1, node >> 1, last >> 1
    nodes = [subtree_root, *path] if first == node else list(path)
    if not nodes:
        return False
    subtree_result = result = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            if first < node:
                subtree_result = node_hash(sibling, subtree_result)
            result = node_hash(sibling, result)
            while not node & 1:
                first, node, last = first >> 1, node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        first, node, last = first >> 1, node >> 1, last >> 1
    return last == 0 and subtree_result == subtree_root and result == root


def verify_inclusion(index: int, start: int, end: int, leaf: bytes, path: Sequence[bytes], subtree_root: bytes) -> bool:
    """Tell whether `path` shows `leaf` (a leaf hash) at `index` of the whole tree in the subtree [start, end)."""
    return is_subtree(start, end) and merkle.verify_inclusion(index - start, end - start, leaf, path, subtree_root)
