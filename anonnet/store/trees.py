"""Merkle trees in a table: the root of each complete subtree, so that roots and proofs read O(log n) rows.

A tree is named by a number that means something only in its database. What is stored is a cache of the entries: it can
be made anew from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anonnet.store.database import Database
from anonnet.tlog.merkle import Frontier, consistency_path, inclusion_path, range_root, subtree_path

SCHEMA = """
create table if not exists node(
    tree integer not null,
    level integer not null,     -- 0: leaf hashes
    position integer not null,
    hash blob not null,
    primary key(tree, level, position)
) without rowid;
"""


class Trees:
    """The trees of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def append(self, tree: int, size: int, completed: Iterable[Sequence[bytes]]) -> None:
        """Put behind the first `size` leaves what a frontier says that each further one completes."""
        rows = [
            (tree, level, position >> level, hash)
            for position, hashes in enumerate(completed, size)
            for level, hash in enumerate(hashes)
        ]
        self._db.run_many("insert into node values(?, ?, ?, ?)", rows)

    def root(self, tree: int, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return range_root(lambda level, position: self._node(tree, level, position), 0, size)

    def frontier(self, tree: int, size: int) -> Frontier:
        """The right edge of the first `size` leaves, to grow from without writing."""
        subtrees, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                subtrees.append(self._node(tree, level, start >> level))
                start += 1 << level
        return Frontier(size, subtrees)

    def inclusion(self, tree: int, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962, for index < size."""
        return inclusion_path(lambda level, position: self._node(tree, level, position), index, size)

    def leaves(self, tree: int, start: int, end: int) -> tuple[bytes, ...]:
        """The leaf hashes from `start` to before `end`."""
        rows = self._db.all(
            "select hash from node where tree = ? and level = 0 and position >= ? and position < ? order by position",
            *(tree, start, end),
        )
        return tuple(hash for (hash,) in rows)

    def subtree(self, tree: int, start: int, end: int, size: int) -> list[bytes]:
        """What leads from the root of the leaves from `start` to before `end` to that of `size`, its sibling first; for
        a range that RFC 6962's division yields."""
        return subtree_path(lambda level, position: self._node(tree, level, position), start, end, size)

    def consistency(self, tree: int, old: int, new: int) -> tuple[bytes, ...]:
        """What shows to who knows the root of `new` leaves that of the first `old` of them, for 0 < old < new."""
        own = [self.root(tree, old)] if old & (old - 1) == 0 else []
        path = consistency_path(lambda level, position: self._node(tree, level, position), old, new)
        return (*own, *path)

    def _node(self, tree: int, level: int, position: int) -> bytes:
        (hash,) = self._db.one(
            "select hash from node where tree = ? and level = ? and position = ?", tree, level, position
        )
        return bytes(hash)
