"""Where the rows of many lists stand in one table: the list's number and the row's own in one integer, the row's key.

SQLite puts a row that comes last under such a key behind the others. Where the key is composed of columns it shares the
rows of neighbouring pages out anew whenever one is full: a mirror that took in three entries wrote 16 pages so, and
writes 8 now.
"""

from __future__ import annotations

BITS = 41
"""Of a row's number: a tree of a million million entries has so many nodes. There can be 4 million lists."""

PLACED = f"place >= ?1 << {BITS} and place < ?1 + 1 << {BITS}"
"""SQL that is true of all rows of list ?1."""


def place(tree: int, number: int = 0) -> int:
    """Where this row of a list stands, for a number below 2**BITS; one below 0 is no row."""
    return tree << BITS | number


def places(tree: int, start: int, end: int = 1 << BITS) -> tuple[int, int]:
    """(from, to before) where the rows with start <= number < end stand: of this list, whatever somebody asks for."""
    return (tree << BITS) + start, (tree << BITS) + min(end, 1 << BITS)


def tree_of(place: int) -> int:
    """Whose row stands here."""
    return place >> BITS


def number_of(place: int) -> int:
    """Which row of its list stands here."""
    return place & (1 << BITS) - 1
