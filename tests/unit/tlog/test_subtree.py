"""Subtrees (draft-ietf-plants-merkle-tree-certs, section 4): proofs as its recursion makes them, and no others."""

from __future__ import annotations

import pytest

from anonnet.tlog.merkle import EMPTY_ROOT, Tree
from tests.unit.tlog import subtrees
from tests.unit.tlog.making import entries, tree

SIZE = 33
TREE = tree(entries(SIZE))


def root(start: int, end: int) -> bytes:
    return Tree.from_leaves(TREE.leaves[32 * start : 32 * end]).root()


def recursion(start: int, end: int, size: int, whole: bool, at: int = 0) -> list[bytes]:
    """SUBTREE_SUBPROOF of the draft, over the leaves from `at` on."""
    if (start, end) == (0, size):
        return [] if whole else [root(at, at + size)]
    k = max(2**i for i in range(6) if 2**i < size)
    if end <= k:
        return [*recursion(start, end, k, whole, at), root(at + k, at + size)]
    if start >= k:
        return [*recursion(start - k, end - k, size - k, whole, at + k), root(at, at + k)]
    assert start == 0
    return [*recursion(0, end - k, size - k, False, at + k), root(at, at + k)]


SUBTREES = [
    (start, end, size)
    for size in range(1, SIZE + 1)
    for end in range(1, size + 1)
    for start in range(end)
    if start % min(2**i for i in range(7) if 2**i >= end - start) == 0
]


def test_proofs_are_those_of_the_draft_and_verify() -> None:
    assert len(SUBTREES) > 1_500
    for start, end, size in SUBTREES:
        path = subtrees.prove(TREE, start, end, size)
        assert path == recursion(start, end, size, True)
        assert subtrees.verify(start, end, size, root(start, end), TREE.root(size), path)


def test_a_damaged_proof_does_not_verify() -> None:
    for start, end, size in SUBTREES[::7]:
        path = subtrees.prove(TREE, start, end, size)
        whole, part = TREE.root(size), root(start, end)
        assert not subtrees.verify(start, end, size, bytes(32), whole, path)
        assert not subtrees.verify(start, end, size, part, bytes(32), path)
        assert not subtrees.verify(start, end, size, part[:31], whole, path)
        assert not subtrees.verify(start, end, size, part, whole, [*path, bytes(32)])
        for at in range(len(path)):
            assert not subtrees.verify(start, end, size, part, whole, path[:at] + path[at + 1 :])
            assert not subtrees.verify(start, end, size, part, whole, [*path[:at], bytes(32), *path[at + 1 :]])
            assert not subtrees.verify(start, end, size, part, whole, [*path[:at], b"", *path[at + 1 :]])


def test_a_proof_is_for_one_place() -> None:
    for start, end, size in SUBTREES[::11]:
        path = subtrees.prove(TREE, start, end, size)
        for other_start, other_end, other_size in SUBTREES[::13]:
            if other_size == size and (other_start, other_end) != (start, end):
                assert not subtrees.verify(other_start, other_end, size, root(start, end), TREE.root(size), path)


def test_a_prefix_is_proved_as_in_rfc_6962() -> None:
    for new in range(1, SIZE + 1):
        for old in range(1, new + 1):
            assert subtrees.prove(TREE, 0, old, new) == TREE.consistency(old, new)


def test_the_empty_subtree_needs_no_proof() -> None:
    for at in (0, 3, 9):
        assert subtrees.prove(TREE, at, at, 9) == []
        assert subtrees.verify(at, at, 9, EMPTY_ROOT, TREE.root(9), [])
        assert not subtrees.verify(at, at, 9, EMPTY_ROOT, TREE.root(9), [bytes(32)])
        assert not subtrees.verify(at, at, 9, root(0, 1), TREE.root(9), [])
    assert not subtrees.verify(10, 10, 9, EMPTY_ROOT, TREE.root(9), [])


@pytest.mark.parametrize(
    ("start", "end", "size"), [(1, 3, 9), (2, 5, 9), (4, 3, 9), (0, 10, 9), (0, 1, 34), (-1, 0, 9)]
)
def test_what_is_no_subtree_has_no_proof(start: int, end: int, size: int) -> None:
    with pytest.raises(ValueError):
        subtrees.prove(TREE, start, end, size)
    assert not subtrees.verify(start, end, min(size, 9), bytes(32), TREE.root(9), [])


def test_a_tree_has_no_subtree_that_is_longer_or_out_of_line() -> None:
    assert not subtrees.verify(0, 2, 1, TREE.root(1), TREE.root(1), [])
    assert subtrees.verify(0, 1, 1, TREE.root(1), TREE.root(1), [])
    for start, end in ((1, 3), (2, 5), (3, 3), (-2, 0), (32, 34)):
        with pytest.raises(ValueError):
            TREE.subtree_root(start, end)


def test_an_entry_is_shown_in_its_subtree() -> None:
    for start, end in ((0, 5), (8, 12), (16, 23), (32, 33)):
        part = Tree.from_leaves(TREE.leaves[32 * start : 32 * end])
        for index in range(start, end):
            path, leaf = part.inclusion(index - start, end - start), root(index, index + 1)
            shown = [i for i in range(SIZE) if subtrees.verify_inclusion(i, start, end, leaf, path, part.root())]
            assert shown == [index]
    assert not subtrees.verify_inclusion(1, 1, 3, root(1, 2), [root(2, 3)], root(1, 3))
