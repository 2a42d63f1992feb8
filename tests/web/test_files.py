"""A log's checkpoint, tiles and bundles over HTTP, in the form of C2SP tlog-tiles, from the files of a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anonnet.errors import Fatal
from anonnet.store.published import LogShelf, MirrorShelf, Shown
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree
from anonnet.tlog.tiles import bundles_of, tile_bytes, tiles_of, tree_of
from anonnet.wire.codec import encode
from tests import mirrors
from tests.machine import KNOWN, SHARDS, Machine, p4
from tests.web.serving import Site, served

LOGS = {KNOWN.identity: KNOWN}
SHARD = SHARDS[0]
PREFIX = f"/{KNOWN.origin(SHARD)}"
SALES = 600
SIZE = SALES + 1  # after the genesis
BATCH = 100


def machine(folder: Path, sales: int = SALES) -> Machine:
    log = Machine(folder)
    for start in range(0, sales, BATCH):
        log.batch([p4(number) for number in range(start, min(start + BATCH, sales))])
    return log


def shelf(folder: Path) -> LogShelf:
    return LogShelf(folder / "log.db", KNOWN)


async def tree_at(site: Site, prefix: str, size: int) -> Tree:
    """What a follower computes from bundles alone."""
    bundles = {bundle: (await site.get(f"{prefix}/{bundle.path}")).body for bundle in bundles_of(size)}
    return tree_of(size, bundles.__getitem__)


async def test_bundles_and_tiles_lead_to_the_root_that_the_log_signed(tmp_path: Path) -> None:
    log = machine(tmp_path)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        note = await site.get(f"{PREFIX}/checkpoint")
        signed = SignedCheckpoint.parse(note.body)
        tree = await tree_at(site, PREFIX, SIZE)

        signed.note.opened([KNOWN.verifier(SHARD)])
        assert (signed.body.origin, signed.body.size, signed.body.root) == (KNOWN.origin(SHARD), SIZE, tree.root())
        assert note.headers["content-type"] == "text/plain; charset=utf-8"
        assert note.headers["cache-control"] == "no-cache"
        paths = [tile.path for tile in tiles_of(SIZE)]
        assert {"tile/0/000", "tile/0/002.p/89", "tile/1/000.p/2"} <= set(paths)
        for tile in tiles_of(SIZE):
            got = await site.get(f"{PREFIX}/{tile.path}")
            assert got.body == tile_bytes(tree, tile)
            assert got.headers["content-type"] == "application/octet-stream"
            assert "immutable" in got.headers["cache-control"]
    log.store.close()


async def test_a_log_that_grows_is_shown_as_it_is_and_partial_tiles_stay(tmp_path: Path) -> None:
    log = machine(tmp_path, 10)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        before = await site.get(f"{PREFIX}/tile/0/000.p/11")
        log.batch([p4(10)])

        assert SignedCheckpoint.parse((await site.get(f"{PREFIX}/checkpoint")).body).body.size == 12
        again = await site.get(f"{PREFIX}/tile/0/000.p/11")
        assert (again.status, again.body) == (200, before.body)
        assert (await site.get(f"{PREFIX}/tile/0/000.p/12")).body[: len(before.body)] == before.body
    log.store.close()


ABSENT = [
    f"{PREFIX}/tile/0/000.p/12",  # eleven are there
    f"{PREFIX}/tile/0/000",
    f"{PREFIX}/tile/1/000.p/1",
    f"{PREFIX}/tile/0/000.p/0",
    f"{PREFIX}/tile/0/000.p/011",
    f"{PREFIX}/tile/0/000.p/256",
    f"{PREFIX}/tile/64/000",
    f"{PREFIX}/tile/0/x999/x999/x999/x999/x999/x999/999",
    f"{PREFIX}/tile/entries/000",
    f"{PREFIX}/tile/entries/001.p/1",
    f"{PREFIX}/tile/entries/0.p/11",
    f"{PREFIX}/tile/data/000.p/11",
    f"{PREFIX}/tile/entries/x999/x999/x999/x999/x999/x999/999.p/1",
    f"{PREFIX}/tile/../checkpoint",
    f"/anonnet/{KNOWN.identity.hex()}/0{SHARD}/checkpoint",
    f"/anonnet/{KNOWN.identity.hex()}/0/checkpoint",
    f"/anonnet/{KNOWN.identity.hex()}/chain/checkpoint",
    f"/anonnet/{KNOWN.identity.hex()}/9999999999999999/checkpoint",
    f"/anonnet/{KNOWN.identity.hex().upper()}/{SHARD}/checkpoint",
    f"/anonnet/{bytes(32).hex()}/{SHARD}/checkpoint",
    "/log.db",
    "/static/explorer.js",
    "/../log.db",
]


async def test_what_is_not_there_is_404_and_nothing_can_be_written(tmp_path: Path) -> None:
    log = machine(tmp_path, 10)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        for path in ABSENT:
            got = await site.get(path)
            assert (got.status, got.headers["cache-control"]) == (404, "no-store"), path
        for method in ("POST", "PUT", "DELETE"):
            assert (await site.get(f"{PREFIX}/checkpoint", method)).status == 405
        assert site.incidents.count == 0
    log.store.close()


async def test_a_mirror_serves_its_copy_with_the_cosignatures_of_a_quorum(tmp_path: Path) -> None:
    pen = mirrors.Pen()
    sale = mirrors.sale()
    pen.write(mirrors.pledge(sale), mirrors.released(sale))
    wall = mirrors.Wall(pen)
    first = wall.put_on_file("mirror-0", tmp_path / "mirror.db")
    wall.settle()
    known, prefix = mirrors.KNOWN, f"/{mirrors.KNOWN.origin(mirrors.SHARD)}"
    async with served(MirrorShelf(tmp_path / "mirror.db"), {known.identity: known}, tmp_path) as site:
        signed = SignedCheckpoint.parse((await site.get(f"{prefix}/checkpoint")).body)
        bundle = (await site.get(f"{prefix}/tile/entries/000.p/3")).body

        found = known.quorum.evaluate(signed, [known.verifier(mirrors.SHARD)])
        assert found.met
        assert signed.body.root == (await tree_at(site, prefix, 3)).root()
        assert encode(pen.entries[2]) in bundle
    first.store.close()


class Broken:
    """A shelf on a disk that fails, or with a bug."""

    def __init__(self, why: Exception) -> None:
        self.why = why

    def shard(self, log: bytes, shard: int) -> Shown | None:
        raise self.why

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


async def test_a_disk_that_cannot_be_read_is_told_and_a_bug_is_written_down(tmp_path: Path) -> None:
    async with served(Broken(Fatal("storage failed: /secret/path")), LOGS, tmp_path) as site:
        got = await site.get(f"{PREFIX}/checkpoint")
        assert (got.status, site.incidents.count) == (503, 0)
        assert b"secret" not in got.body
    async with served(Broken(KeyError("secret")), LOGS, tmp_path) as site:
        got = await site.get(f"{PREFIX}/checkpoint")
        assert (got.status, site.incidents.count) == (500, 1)
        assert b"secret" not in got.body
