"""What convicts a log before a stranger: each broken rule, by one or two entries; and an honest log by nothing."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from anonnet.errors import Malformed
from anonnet.protocol.breach import breach
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import Entry, EntryKind
from anonnet.protocol.rules import Broken, Rule
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.excerpt import Excerpt, Leaf
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import encode
from tests.stage import NETWORK, key_of
from tests.unit.test_rules import (
    ALONE,
    BREACHES,
    QUORUM,
    SHARD,
    Kept,
    begun,
    entry,
    genesis,
    lawful_chain,
    lawful_shard,
    pledge,
    random_entry,
    sale,
)

MISSING = {"a key without pledge", "a sealed key without pledge"}
"""Nothing shows to a stranger what is not there."""


def excerpt(known: KnownLog, shard: int, entries: list[bytes], *indexes: int, name: str = "log") -> bytes:
    """What the log of this name has signed, with the entries at these indexes."""
    tree = Tree()
    for each in entries:
        tree.append(leaf_hash(each))
    leaves = tuple(Leaf(i, entries[i], tuple(tree.inclusion(i, tree.size))) for i in indexes)
    note = known.sealed(key_of(name), shard, tree.size, tree.root())
    return Excerpt(leaves, SignedCheckpoint.parse(note)).encoded()


def convictions(kept: Kept, entries: list[Entry]) -> list[str]:
    """What any one or two of these entries convict the log of."""
    data, found = [encode(each) for each in entries], []
    for count in (1, 2):
        for indexes in combinations(range(len(data)), count):
            try:
                found.append(breach(NETWORK, kept.known, kept.shard, excerpt(kept.known, kept.shard, data, *indexes)))
            except Malformed:
                continue
    return [each.kind for each in found]


@pytest.mark.parametrize("name", BREACHES)
def test_one_or_two_entries_show_every_broken_rule_but_what_is_missing(name: str) -> None:
    rule, made = BREACHES[name]
    kept, broken = made()

    found = convictions(kept, [*kept.entries, broken])

    expected = set() if name in MISSING else {rule.name.lower().replace("_", "-")}
    assert set(found) == expected


def test_bytes_that_are_no_entry_convict() -> None:
    data = [encode(genesis()), b"no entry"]

    assert breach(NETWORK, QUORUM, SHARD, excerpt(QUORUM, SHARD, data, 1)).kind == "encoded"


def test_nothing_that_an_honest_log_signs_convicts_it() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    shards = [lawful_shard(), lawful_chain()]
    for known in (ALONE, QUORUM):
        kept = Kept(known).add(genesis(known))
        sales = [sale(i, log=known) for i in range(2)]
        while kept.size < 12:
            try:
                kept.add(random_entry(chance, kept, sales))
            except Broken:
                continue
        shards.append(kept)

    for kept in shards:
        assert not convictions(kept, kept.entries), f"seed {seed}"


def test_nobody_is_convicted_by_what_another_has_signed() -> None:
    kept = begun(pledge(sale()))
    data = [encode(each) for each in (*kept.entries, entry(EntryKind.TICK, 0))]
    good = excerpt(QUORUM, SHARD, data, 1, 2)
    assert breach(NETWORK, QUORUM, SHARD, good).kind == Rule.FORWARD.name.lower()

    for known, shard, evidence in (
        (QUORUM, SHARD, excerpt(QUORUM, SHARD, data, 1, 2, name="stranger")),
        (QUORUM, SHARD + 1, good),
        (ALONE, SHARD, good),
        (QUORUM, SHARD, good.replace(b"leaf 1 ", b"leaf 0 ")),
    ):
        with pytest.raises(Malformed):
            breach(NETWORK, known, shard, evidence)
