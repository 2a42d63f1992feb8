"""Excerpts: entries that a log has signed for at these places, and nothing else."""

from __future__ import annotations

import pytest

from anonnet.errors import Malformed
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.excerpt import Excerpt, Leaf
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.tlog.note import Kind, Note, Signer, Verifier
from tests.stage import key_of

ORIGIN = "log.example/7"
ENTRIES = [b"entry %d" % i for i in range(11)]


def verifier(name: str = "log") -> Verifier:
    return Signer(ORIGIN, key_of(name)).verifier(Kind.ED25519)


def excerpt(*indexes: int, size: int = len(ENTRIES)) -> Excerpt:
    tree = Tree()
    for each in ENTRIES:
        tree.append(leaf_hash(each))
    text = Checkpoint(ORIGIN, size, tree.root(size)).text
    note = Note(text, (Signer(ORIGIN, key_of("log")).sign(text),))
    leaves = tuple(Leaf(i, ENTRIES[i], tuple(tree.inclusion(i, size))) for i in indexes)
    return Excerpt(leaves, SignedCheckpoint(note, Checkpoint.parse(text)))


@pytest.mark.parametrize("indexes", [(0,), (10,), (0, 1), (3, 10)])
def test_what_is_in_the_tree_holds_and_is_read_as_it_was_written(indexes: tuple[int, ...]) -> None:
    made = excerpt(*indexes)

    assert made.holds(ORIGIN, [verifier()])
    assert Excerpt.parse(made.encoded()) == made


def test_another_entry_another_place_and_another_log_do_not_hold() -> None:
    made = excerpt(3, 7)
    first, last = made.leaves

    for bad in (
        Leaf(3, b"another", first.path),
        Leaf(2, first.entry, first.path),
        Leaf(3, first.entry, first.path[1:]),
        Leaf(3, first.entry, (*first.path, bytes(32))),
    ):
        assert not Excerpt((bad, last), made.checkpoint).holds(ORIGIN, [verifier()])
    assert not Excerpt(made.leaves, excerpt(0, size=9).checkpoint).holds(ORIGIN, [verifier()])
    assert not made.holds("log.example/8", [verifier()])
    assert not made.holds(ORIGIN, [verifier("another")])


def test_bytes_that_are_no_excerpt() -> None:
    whole = excerpt(3, 7).encoded()
    head, _, note = whole.partition(b"\n\n")
    lines = head.split(b"\n")
    second = next(at for at, line in enumerate(lines) if line.startswith(b"leaf 7"))

    for bad in (
        b"",
        head + b"\n\n",
        lines[0] + b"\n\n" + note,
        b"\n".join([lines[0], *lines[second:], *lines[1:second]]) + b"\n\n" + note,
        b"\n".join([*lines[: second + 1], *lines[second:]]) + b"\n\n" + note,
        whole.replace(b"leaf 3 ", b"leaf 03 "),
        whole.replace(b"leaf 3 ", b"leaf 3  "),
        whole.replace(b"leaf 3 ", b"leaf 3"),
        whole.replace(b"excerpt@v1", b"excerpt@v2"),
        whole.replace(lines[2], lines[2] + b"\n" + b"\n".join(lines[2:3] * 63)),
    ):
        with pytest.raises(Malformed):
            Excerpt.parse(bad)
