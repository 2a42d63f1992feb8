"""Tiles and entry bundles (C2SP tlog-tiles v0.1.0): a tree and its entries as static resources under fixed paths.

A tile holds up to 256 consecutive hashes: the leaves at level 0, and at each further level the roots of full tiles
below. Full tiles never change; a partial one is right for one size only. Paths are relative to the log's prefix.
Whether a tile is right is known only once the root that it leads to is that of a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.limits import BUNDLED_ENTRY_MAX, TREE_SIZE_MAX
from anonnet.tlog.merkle import HASH_BYTES, Frontier, Tree, leaf_hash

TILE_WIDTH = 256
TILE_BITS = 8
LEVEL_MAX = 63
LENGTH_BYTES = 2
_NUMBER = r"((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_TILE = re.compile(rf"tile/(0|[1-9][0-9]?)/{_NUMBER}")
_BUNDLE = re.compile(rf"tile/entries/{_NUMBER}")


def _numbered(index: int, width: int) -> str:
    """Write an index in groups of three digits, "all but the last path element" with an x, and a partial width."""
    path = f"{index % 1000:03d}"
    while index := index // 1000:
        path = f"x{index % 1000:03d}/{path}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def _number(index: str, width: str | None) -> tuple[int, int]:
    return int(index.replace("x", "").replace("/", "")), TILE_WIDTH if width is None else int(width)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """`width` hashes from hash `index` * 256 on of level `level`, each of 256 ** `level` leaves."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.level <= LEVEL_MAX and 0 <= self.index <= TREE_SIZE_MAX and 1 <= self.width <= TILE_WIDTH):
            raise Malformed("a tile is out of bounds")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Read the path of a tile in its one form. Raises Malformed."""
        found = _TILE.fullmatch(path)
        if not found:
            raise Malformed("not the path of a tile")
        tile = cls(int(found[1]), *_number(found[2], found[3]))
        if tile.path != path:
            raise Malformed("the path of a tile is not in its one form")
        return tile

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{_numbered(self.index, self.width)}"

    @property
    def start(self) -> int:
        """Index of the first entry under this tile."""
        return self.index << TILE_BITS * (self.level + 1)

    @property
    def end(self) -> int:
        """End index as the specification has it, of the full tile: what pruning goes by."""
        return (self.index + 1) << TILE_BITS * (self.level + 1)

    def within(self, size: int) -> bool:
        """Tell whether all hashes of this tile are in the tree of `size` leaves."""
        return self.index * TILE_WIDTH + self.width <= size >> TILE_BITS * self.level


@dataclass(frozen=True, slots=True, order=True)
class Bundle:
    """`width` entries from entry `index` * 256 on."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.index <= TREE_SIZE_MAX and 1 <= self.width <= TILE_WIDTH):
            raise Malformed("an entry bundle is out of bounds")

    @classmethod
    def parse(cls, path: str) -> Bundle:
        """Read the path of an entry bundle in its one form. Raises Malformed."""
        found = _BUNDLE.fullmatch(path)
        if not found:
            raise Malformed("not the path of an entry bundle")
        bundle = cls(*_number(found[1], found[2]))
        if bundle.path != path:
            raise Malformed("the path of an entry bundle is not in its one form")
        return bundle

    @property
    def path(self) -> str:
        return f"tile/entries/{_numbered(self.index, self.width)}"

    @property
    def start(self) -> int:
        """Index of the first entry."""
        return self.index * TILE_WIDTH

    @property
    def end(self) -> int:
        """End index of the full bundle: what pruning goes by."""
        return self.start + TILE_WIDTH


def _pieces(size: int, since: int) -> Iterator[tuple[int, int]]:
    """Index and width of each run of 256 among `size` things, as far as `since` of them did not have it yet."""
    for index in range(since // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        if index * TILE_WIDTH + width > since:
            yield index, width


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of the tree of `size` leaves, level by level, without those of its first `since` leaves."""
    level = 0
    while (hashes := size >> TILE_BITS * level) > 0:
        for index, width in _pieces(hashes, since >> TILE_BITS * level):
            yield Tile(level, index, width)
        level += 1


def bundles_of(size: int, since: int = 0) -> Iterator[Bundle]:
    """Yield the entry bundles of the tree of `size` leaves, without those of its first `since` leaves."""
    for index, width in _pieces(size, since):
        yield Bundle(index, width)


def tile_bytes(tree: Tree, tile: Tile) -> bytes:
    """Return the hashes of a tile, one after the other; ValueError where the tree does not have them all."""
    start = tile.index * TILE_WIDTH
    return tree.subtree_roots(TILE_BITS * tile.level, start, start + tile.width)


def hashes_in(tile: Tile, data: bytes) -> list[bytes]:
    """Split the bytes of a tile into its hashes. Raises Malformed unless they are as many as the tile is wide."""
    if len(data) != tile.width * HASH_BYTES:
        raise Malformed(f"a tile of {tile.width} hashes in {len(data)} bytes")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def frontier_of(size: int, read: Callable[[Tile], bytes]) -> Frontier:
    """Return the right edge of the tree of `size` leaves, from its partial tiles alone, at most one for each level.

    `read` fetches the bytes of a tile. Raises Malformed for a tile of another length. The frontier is as right as the
    tiles are: compare its root with a checkpoint's.
    """
    subtrees: list[bytes] = []
    for level in reversed(range(-(-size.bit_length() // TILE_BITS))):
        hashes = size >> TILE_BITS * level
        if width := hashes % TILE_WIDTH:
            tile = Tile(level, hashes // TILE_WIDTH, width)
            subtrees += _complete_subtrees(hashes_in(tile, read(tile)))
    return Frontier(size, subtrees)


def _complete_subtrees(hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    frontier = Frontier()
    for each in hashes:
        frontier.append(each)
    return frontier.subtrees


def bundle_bytes(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: (16-bit length || entry)*; ValueError for a length or number that it cannot hold."""
    if not 1 <= len(entries) <= TILE_WIDTH or any(len(entry) > BUNDLED_ENTRY_MAX for entry in entries):
        raise ValueError("a bundle holds 1 to 256 entries of at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries)


def entries_in(bundle: Bundle, data: bytes) -> list[bytes]:
    """Split the bytes of a bundle into its entries. Raises Malformed unless they are exactly `width` entries."""
    entries, at = [], 0
    for _ in range(bundle.width):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise Malformed("an entry bundle ends too early")
        entries.append(data[start:at])
    if at != len(data):
        raise Malformed("an entry bundle goes on after its last entry")
    return entries


def tree_of(size: int, read: Callable[[Bundle], bytes]) -> Tree:
    """Return the tree of the first `size` entries, from their bundles. Raises Malformed where a bundle is none.

    `read` fetches the bytes of a bundle. The tree is as right as the bundles are: compare its root with a checkpoint's.
    """
    leaves = (leaf_hash(entry) for bundle in bundles_of(size) for entry in entries_in(bundle, read(bundle)))
    return Tree.from_leaves(b"".join(leaves))
