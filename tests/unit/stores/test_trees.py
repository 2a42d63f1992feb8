"""Trees in a table agree with the tree in memory, however they were grown."""

from __future__ import annotations

import hashlib
import random

from anonnet.store.database import MEMORY, Database
from anonnet.store.trees import SCHEMA, Trees
from anonnet.tlog.merkle import Frontier, Tree
from tests.unit.tlog import subtrees
from tests.unit.tlog.making import consistency_nodes


def test_a_tree_in_a_table_makes_the_same_roots_and_proofs() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    rows, size = Trees(Database(MEMORY, schema=SCHEMA)), 0
    whole = Tree()
    rows.append(8, 0, map(Frontier().append, [bytes(32)] * 5))  # another tree beside it
    while size < 70:
        leaves = [hashlib.sha256(b"%d" % (size + i)).digest() for i in range(chance.randrange(1, 9))]
        rows.append(7, size, map(rows.frontier(7, size).append, leaves))
        size += len(leaves)
        for leaf in leaves:
            whole.append(leaf)

    for new in range(1, size + 1):
        assert rows.root(7, new) == whole.root(new), f"seed {seed}"
        assert rows.frontier(7, new).root() == whole.root(new), f"seed {seed}"
        index, old = chance.randrange(new), chance.randrange(new)
        assert rows.inclusion(7, index, new) == whole.inclusion(index, new), f"seed {seed}"
        start = index - index % 8
        end = min(start + 8, new)
        assert b"".join(rows.leaves(7, start, end)) == whole.leaves[start * 32 : end * 32], f"seed {seed}"
        assert rows.subtree(7, start, end, new) == subtrees.prove(whole, start, end, new), f"seed {seed}"
        if old:
            assert rows.consistency(7, old, new) == consistency_nodes(whole, old, new), f"seed {seed}"
