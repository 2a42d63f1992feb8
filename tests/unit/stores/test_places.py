"""The places of rows: lists stand one behind the other, and nobody's question reaches from one into the next."""

from __future__ import annotations

import pytest

from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, Entries, Follow
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.store.places import BITS, number_of, place, places, tree_of
from tests.circle import Circle
from tests.mirrors import KNOWN, MIRRORS, SHARD, sale
from tests.unit.parties.test_certifying import pledge

LARGEST = 2**53
"""What an index on the wire can be."""


@pytest.mark.parametrize("tree", [0, 1, 4, SHARD])
def test_a_list_ends_where_the_next_one_begins(tree: int) -> None:
    first, end = places(tree, 0)

    assert end == places(tree + 1, 0)[0]
    assert [(tree_of(at), number_of(at)) for at in (first, end - 1)] == [(tree, 0), (tree, 2**BITS - 1)]
    assert first <= place(tree, 7) < end


@pytest.mark.parametrize("tree", [0, 1, 4, SHARD])
@pytest.mark.parametrize("start", [2**BITS, 2**43, LARGEST - 1])
def test_what_no_list_has_stands_nowhere(tree: int, start: int) -> None:
    low, end = places(tree, start, LARGEST)

    assert low >= end


@pytest.mark.parametrize("who", ["log", MIRRORS[0]])
def test_a_question_beyond_all_entries_is_told_none(who: str) -> None:
    circle = Circle()
    circle.settle()
    circle.ask(pledge(sale()))
    circle.settle()

    for index in (2**bits for bits in range(BITS, LARGEST.bit_length())):
        entries = circle.ask(Follow(log=KNOWN.identity, shard=SHARD, start=index), who)
        newest = circle.ask(CheckpointOf(log=KNOWN.identity, shard=SHARD, size=index, cosigned=0), who)

        assert isinstance(entries, Entries)
        assert (entries.entries, entries.checkpoints) == ((), ()), index
        assert isinstance(newest, CheckpointIs)
        assert newest.checkpoints == (), index
        if who != "log":
            proofs = circle.ask(ProofsOf(log=KNOWN.identity, shard=SHARD, start=index, beyond=0), who)
            assert isinstance(proofs, Proofs)
            assert not proofs.leaves, index
