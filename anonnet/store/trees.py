"""Merkle trees in a table: the root of each complete subtree, so that roots and proofs read O(log n) rows.

A tree is named by a number that means something only in its database. Its nodes stand in the order in which leaves
complete them, so that a tree grows at its end. What is stored is a cache of the entries: it can be made anew from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from anonnet.errors import Fatal
from anonnet.store.database import Database
from anonnet.store.places import place
from anonnet.tlog.merkle import Frontier, Nodes, consistency_nodes, inclusion_path, range_root, subtree_path

SCHEMA = """
create table if not exists node(
    place integer primary key,  -- of a tree and the number of a node
    hash blob not null
);
"""


def nodes_of(size: int) -> int:
    """How many complete subtrees the first `size` leaves have, single leaves among them."""
    return 2 * size - size.bit_count()


def node_number(level: int, position: int) -> int:
    """The number of a node: how many a tree completes before. Level 0: leaf hashes."""
    last = (position + 1 << level) - 1  # the leaf that completes it
    return nodes_of(last) + level


def nodes_in_order(size: int) -> Iterator[tuple[int, int]]:
    """(level, position) of each complete subtree of the first `size` leaves, by its number."""
    for leaf in range(size):
        level = 0
        yield level, leaf
        while leaf >> level & 1:
            level += 1
            yield level, leaf >> level


class Damaged(Fatal):
    """A node is not there that the leaves before it have completed, or it is another one."""

    def __init__(self) -> None:
        super().__init__("a node of a tree is missing or wrong: `fsck` says where")


class Trees:
    """The trees of one database. Whatever reads one raises Damaged where a node is missing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def append(self, tree: int, size: int, completed: Iterable[Sequence[bytes]]) -> None:
        """Put behind the first `size` leaves what a frontier says that each further one completes."""
        hashes = (hash for each in completed for hash in each)
        self._db.run_many("insert into node values(?, ?)", enumerate(hashes, place(tree, nodes_of(size))))

    def root(self, tree: int, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return range_root(lambda level, position: self._node(tree, level, position), 0, size)

    def frontier(self, tree: int, size: int) -> Frontier:
        """The right edge of the first `size` leaves, to grow from without writing."""
        nodes, end = list[int](), 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                end += 1 << level
                nodes.append(place(tree, nodes_of(end) - 1))  # the last one that these leaves complete
        marks = ", ".join("?" * len(nodes))
        rows = self._db.all(f"select hash from node where place in ({marks}) order by place", *nodes)
        if len(rows) < len(nodes):
            raise Damaged
        return Frontier(size, [hash for (hash,) in rows])

    def inclusion(self, tree: int, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962, for index < size."""
        return inclusion_path(lambda level, position: self._node(tree, level, position), index, size)

    def leaves(self, tree: int, start: int, end: int) -> tuple[bytes, ...]:
        """The leaf hashes from `start` to before `end`."""
        wanted = [place(tree, node_number(0, position)) for position in range(start, end)]
        rows = self._db.all("select place, hash from node where place >= ? and place <= ?", wanted[0], wanted[-1])
        hashes = dict(rows)
        if not all(each in hashes for each in wanted):
            raise Damaged
        return tuple(hashes[each] for each in wanted)

    def subtree(self, tree: int, start: int, end: int, size: int) -> list[bytes]:
        """What leads from the root of the leaves from `start` to before `end` to that of `size`, its sibling first; for
        a range that RFC 6962's division yields."""
        return subtree_path(lambda level, position: self._node(tree, level, position), start, end, size)

    def consistency(self, tree: int, old: int, new: int) -> tuple[bytes, ...]:
        """What shows to who knows the root of `new` leaves that of the first `old` of them, for 0 < old < new."""
        return consistency_nodes(lambda level, position: self._node(tree, level, position), old, new)

    def branch(self, tree: int, start: int, leaves: Iterable[bytes]) -> Nodes:
        """The nodes of a tree that has the first `start` leaves of this one, and behind them these leaf hashes."""
        frontier, behind = self.frontier(tree, start), dict[tuple[int, int], bytes]()
        for position, leaf in enumerate(leaves, start):
            completed = enumerate(frontier.append(leaf))
            behind.update({(level, position >> level): hash for level, hash in completed})
        return lambda level, position: behind.get((level, position)) or self._node(tree, level, position)

    def _node(self, tree: int, level: int, position: int) -> bytes:
        row = self._db.one("select hash from node where place = ?", place(tree, node_number(level, position)))
        if row is None:
            raise Damaged
        return bytes(row[0])
