"""Tiles and entry bundles (C2SP tlog-tiles): which there are, what stands in them, and that they are the tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.errors import Malformed
from anonnet.tlog.merkle import Frontier, Tree, leaf_hash
from anonnet.tlog.tiles import (
    Bundle,
    Tile,
    bundle_bytes,
    bundles_of,
    entries_in,
    frontier_of,
    hashes_in,
    tile_bytes,
    tiles_of,
    tree_of,
)
from tests.unit.tlog.making import entries

SIZE = 70_000
ENTRIES = entries(SIZE)
TREE = Tree.from_leaves(b"".join(leaf_hash(entry) for entry in ENTRIES))
EDGES = [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_793, 69_999, 70_000]
sizes = st.one_of(st.sampled_from(EDGES), st.integers(0, SIZE))


@given(sizes)
@settings(max_examples=40, deadline=None)
def test_the_partial_tiles_of_any_size_lead_to_its_root(size: int) -> None:
    asked: list[Tile] = []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        return tile_bytes(TREE, tile)

    assert frontier_of(size, read).root() == TREE.root(size)
    assert set(asked) == {tile for tile in tiles_of(size) if tile.width < 256}


@given(st.one_of(st.sampled_from(EDGES[:9]), st.integers(0, 2_000)))
@settings(max_examples=40, deadline=None)
def test_the_bundles_and_the_leaf_tiles_of_any_size_lead_to_its_root(size: int) -> None:
    def read(bundle: Bundle) -> bytes:
        return bundle_bytes(ENTRIES[bundle.start :][: bundle.width])

    leaves = b"".join(tile_bytes(TREE, tile) for tile in tiles_of(size) if tile.level == 0)

    assert tree_of(size, read).root() == TREE.root(size)
    assert Tree.from_leaves(leaves).root() == TREE.root(size)


def test_each_hash_of_a_tile_is_the_root_that_the_specification_names() -> None:
    """ "MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])" """
    for tile in (Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)):
        hashes = hashes_in(tile, tile_bytes(TREE, tile))
        for i in {0, tile.width - 1}:
            start, span = (tile.index * 256 + i) * 256**tile.level, 256**tile.level
            part = Tree.from_leaves(TREE.leaves[32 * start : 32 * (start + span)])
            assert (hashes[i], part.size) == (part.root(), span)


def test_the_examples_of_the_specification() -> None:
    tiles = list(tiles_of(SIZE))

    assert sum(tile.level == 0 and tile.width == 256 for tile in tiles) == 273
    others = [tile.path for tile in tiles if tile.level or tile.width < 256]
    assert others == ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [tile.path for tile in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == list(bundles_of(0)) == []
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Bundle(1234067, 3).path == "tile/entries/x001/x234/067.p/3"


@given(st.integers(0, 1_500), st.integers(0, 1_500))
def test_what_is_new_in_a_grown_tree_is_what_it_has_more(first: int, second: int) -> None:
    old, new = sorted((first, second))

    assert list(tiles_of(new, old)) == [tile for tile in tiles_of(new) if tile not in set(tiles_of(old))]
    assert list(bundles_of(new, old)) == [bundle for bundle in bundles_of(new) if bundle not in set(bundles_of(old))]


@given(sizes)
@settings(max_examples=40)
def test_a_tree_has_its_tiles_and_none_beyond(size: int) -> None:
    for tile in tiles_of(size):
        assert tile.within(size)
        assert tile.start < size
        assert not Tile(tile.level, tile.index + 1).within(size) or tile.width == 256
        assert tile.width == 256 or not Tile(tile.level, tile.index, tile.width + 1).within(size)


def test_the_end_of_a_tile_is_that_of_the_full_one() -> None:
    assert (Tile(1, 1, 17).start, Tile(1, 1, 17).end) == (65_536, 131_072)
    assert (Bundle(3, 4).start, Bundle(3, 4).end) == (768, 1024)


@given(st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_paths_round_trip(level: int, index: int, width: int) -> None:
    assert Tile.parse(Tile(level, index, width).path) == Tile(level, index, width)
    assert Bundle.parse(Bundle(index, width).path) == Bundle(index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/5",
        "tile/0/0005",
        "tile/00/005",
        "tile/64/005",
        "tile/-1/005",
        "tile/0/x000/005",
        "tile/0/001/005",
        "tile/0/x001/x005",
        "tile/0/005.p/0",
        "tile/0/005.p/256",
        "tile/0/005.p/01",
        "tile/0/005.p/",
        "tile/0/005/",
        "/tile/0/005",
        "tile/0/../005",
        "tile/0/005\n",
        "tile/0/\u0660\u0660\u0665",
        "tile/0/x009/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "checkpoint",
    ],
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(Malformed):
        Tile.parse(path)
    with pytest.raises(Malformed):
        Bundle.parse(path.replace("tile/0/", "tile/entries/"))


def test_tiles_that_cannot_be() -> None:
    for level, index, width in ((0, 0, 0), (0, 0, 257), (0, -1, 1), (64, 0, 1), (-1, 0, 1)):
        with pytest.raises(Malformed):
            Tile(level, index, width)
    with pytest.raises(Malformed):
        Bundle(0, 0)
    for tile in (Tile(0, 273, 113), Tile(1, 1, 18), Tile(3, 0, 1), Tile(63, 0, 1)):
        with pytest.raises(ValueError):
            tile_bytes(TREE, tile)
        assert not tile.within(SIZE)


def test_a_tile_of_another_length_is_malformed() -> None:
    data = tile_bytes(TREE, Tile(1, 1, 17))
    for bad in (data[:-1], data + b"\x00", data[32:], b""):
        with pytest.raises(Malformed):
            hashes_in(Tile(1, 1, 17), bad)
        with pytest.raises(Malformed):
            frontier_of(SIZE, lambda tile, bad=bad: bad)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_bundles_round_trip(bundled: list[bytes]) -> None:
    assert entries_in(Bundle(0, len(bundled)), bundle_bytes(bundled)) == bundled


def test_a_bundle_holds_exactly_its_entries() -> None:
    data = bundle_bytes([b"", b"one", b"two" * 20_000])
    for bad in (data[:-1], data + b"\x00", data + b"\x00\x00", data[2:], data[: len(data) - 60_001], b""):
        with pytest.raises(Malformed):
            entries_in(Bundle(0, 3), bad)
    for width in (2, 4):
        with pytest.raises(Malformed):
            entries_in(Bundle(0, width), data)


def test_the_limits_of_a_bundle() -> None:
    assert len(bundle_bytes([bytes(65_535)])) == 65_537
    for bad in ([], [b""] * 257, [bytes(65_536)]):
        with pytest.raises(ValueError):
            bundle_bytes(bad)


def test_a_frontier_goes_on_from_tiles() -> None:
    frontier = frontier_of(69_000, lambda tile: tile_bytes(TREE, tile))
    for entry in ENTRIES[69_000:]:
        frontier.append(leaf_hash(entry))
    assert frontier.root() == TREE.root()
    assert isinstance(frontier, Frontier)
