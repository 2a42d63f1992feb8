"""The Merkle tree against its published vectors and against the RFC's own recursion, written down naively."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.tlog.merkle import (
    Frontier,
    Tree,
    leaf_hash,
    node_hash,
    subtree_path,
    verify_consistency,
    verify_inclusion,
)
from tests.unit.tlog import subtrees

VECTORS = Path(__file__).parents[1] / "vectors"
PROOFS = json.loads((VECTORS / "merkle.json").read_text())
REFERENCE = json.loads((VECTORS / "rfc6962-reference.json").read_text())


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1: MTH, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = max(2**i for i in range(64) if 2**i < len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1: PATH."""
    if len(leaves) == 1:
        return []
    k = max(2**i for i in range(64) if 2**i < len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2: SUBPROOF."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = max(2**i for i in range(64) if 2**i < len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def decoded(proof: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in proof or []]


@pytest.mark.parametrize("vector", PROOFS["inclusion"], ids=lambda vector: vector["name"])
def test_inclusion_vectors(vector: dict[str, Any]) -> None:
    leaf, root = base64.b64decode(vector["leafHash"]), base64.b64decode(vector["root"])

    verdict = verify_inclusion(vector["leafIdx"], vector["treeSize"], leaf, decoded(vector["proof"]), root)

    assert verdict == (not vector["wantErr"])


@pytest.mark.parametrize("vector", PROOFS["consistency"], ids=lambda vector: vector["name"])
def test_consistency_vectors(vector: dict[str, Any]) -> None:
    old_root, new_root = base64.b64decode(vector["root1"]), base64.b64decode(vector["root2"])

    verdict = verify_consistency(vector["size1"], vector["size2"], old_root, new_root, decoded(vector["proof"]))

    assert verdict == (not vector["wantErr"])


def test_the_reference_tree() -> None:
    tree, frontier, roots = Tree(), Frontier(), [Tree().root().hex()]
    for entry in REFERENCE["leaf_inputs_hex"]:
        tree.append(leaf_hash(bytes.fromhex(entry)))
        frontier.append(leaf_hash(bytes.fromhex(entry)))
        assert frontier.root() == tree.root()
        roots.append(tree.root().hex())

    assert roots == REFERENCE["root_hashes_hex"]
    assert tree.leaves.hex() == "".join(REFERENCE["node_hashes_hex"][0])


@pytest.mark.parametrize(
    ("width", "sizes"), [(1, range(1, 40)), (8, range(1, 70)), (256, (1, 255, 256, 257, 511, 512, 513, 600, 768, 1025))]
)
def test_every_leaf_s_path_goes_through_its_bundle(width: int, sizes: range | tuple[int, ...]) -> None:
    """PATH of each leaf is its path within the bundle, and then the bundle's own, whole or the tree's last one."""
    leaves = [leaf_hash(b"%d" % at) for at in range(max(sizes))]
    tree = Tree.from_leaves(b"".join(leaves))

    def complete(level: int, at: int) -> bytes:
        return tree.subtree_root(at << level, at + 1 << level)

    for size in sizes:
        for start in range(0, size, width):
            end = min(start + width, size)
            bundle = Tree.from_leaves(b"".join(leaves[start:end]))
            above = subtree_path(complete, start, end, size)
            assert above == subtrees.prove(tree, start, end, size)
            for index in range(start, end):
                assert [*bundle.inclusion(index - start, end - start), *above] == tree.inclusion(index, size)


trees = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


@given(trees, st.data())
@settings(max_examples=150, deadline=None)
def test_proofs_are_those_of_the_rfc_and_verify(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    tree = Tree.from_leaves(b"".join(leaves))
    new = data.draw(st.integers(1, len(leaves)))
    old, index = data.draw(st.integers(1, new)), data.draw(st.integers(0, new - 1))

    path, proof = tree.inclusion(index, new), tree.consistency(old, new)

    assert tree.root(new) == naive_root(leaves[:new])
    assert path == naive_path(index, leaves[:new])
    assert proof == naive_subproof(old, leaves[:new], True)
    assert verify_inclusion(index, new, leaves[index], path, tree.root(new))
    assert verify_consistency(old, new, tree.root(old), tree.root(new), proof)


@given(trees, st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_proof_does_not_verify(entries: list[bytes], data: st.DataObject) -> None:
    tree = Tree.from_leaves(b"".join(leaf_hash(bytes([i]) + entry) for i, entry in enumerate(entries)))
    size = tree.size
    old, index = data.draw(st.integers(1, size)), data.draw(st.integers(0, size - 1))
    leaf, other = tree.leaves[32 * index :][:32], data.draw(st.binary(min_size=32, max_size=32))

    path, proof = tree.inclusion(index, size), tree.consistency(old, size)

    for bad in damaged(path, data):
        assert not verify_inclusion(index, size, leaf, bad, tree.root())
    for bad in damaged(proof, data):
        assert not verify_consistency(old, size, tree.root(old), tree.root(), bad)
    assert not verify_inclusion(index, size, other, path, tree.root())
    assert not verify_inclusion(size, size, leaf, path, tree.root())
    assert not verify_inclusion(-1, size, leaf, path, tree.root())
    assert not verify_consistency(old, size, other, tree.root(), proof)
    assert not verify_consistency(size, size - 1, tree.root(), tree.root(size - 1), proof)


def damaged(path: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    bad = [[*path, bytes(32)], [b"", *path]]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        flipped = bytes([path[at][0] ^ 1]) + path[at][1:]
        bad += [path[:at] + path[at + 1 :], [*path[:at], flipped, *path[at + 1 :]], [*path[:at], path[at][:31]]]
    return bad


def test_appending_and_building_at_once_give_one_tree() -> None:
    tree, frontier = Tree(), Frontier()
    for i in range(130):
        tree.append(leaf_hash(bytes([i])))
        frontier.append(leaf_hash(bytes([i])))
        built = Tree.from_leaves(tree.leaves)
        assert built.root() == tree.root() == Frontier(i + 1, frontier.subtrees).root()
        assert built.inclusion(i, i + 1) == tree.inclusion(i, i + 1)
        assert len(frontier.subtrees) <= 8


def test_a_node_is_no_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_questions_outside_of_the_tree() -> None:
    tree = Tree.from_leaves(leaf_hash(b"a") + leaf_hash(b"b"))
    assert tree.root(0) == hashlib.sha256(b"").digest()
    for ask in (
        lambda: tree.root(3),
        lambda: tree.root(-1),
        lambda: tree.inclusion(2, 2),
        lambda: tree.inclusion(-1, 2),
        lambda: tree.consistency(0, 2),
        lambda: tree.consistency(2, 1),
        lambda: tree.append(b"short"),
        lambda: Tree.from_leaves(b"short"),
        lambda: Frontier(3, [bytes(32)]),
    ):
        with pytest.raises(ValueError):
            ask()
