"""What a log or a mirror publishes, read beside the store that writes it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from anonnet.errors import Fatal
from anonnet.protocol.rules import decided_by
from anonnet.store.database import Database
from anonnet.store.published import LogShelf, MirrorShelf
from anonnet.times import RETENTION_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import leaf_hash, verify_inclusion
from anonnet.tlog.tiles import Bundle, Tile
from tests import mirrors
from tests.machine import KNOWN, LAST, SHARDS, Machine, p4


class Stuck(Database):
    """A database whose lock does not move once it is told so."""

    stuck = False

    def commit(self) -> None:
        if Stuck.stuck and str(self.path).endswith("lock.db"):
            raise Fatal("planted")
        super().commit()


def test_nothing_is_published_before_the_lock_has_moved_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an older log.db, put back, could sign another tree of a size that somebody has seen."""
    log = Machine(tmp_path, database=Stuck)
    log.batch([p4(0)])
    monkeypatch.setattr(Stuck, "stuck", True)
    with pytest.raises(Fatal, match="planted"):
        log.batch([p4(1), p4(2, LAST + 1)])

    with closing(LogShelf(tmp_path / "log.db", KNOWN)) as shelf:
        (shown,) = shelf.shards()
        assert log.store.heads.size(SHARDS[0]) == 3
        assert (shown.shard, shown.size) == (SHARDS[0], 2)
        assert shelf.entries(shown, Bundle(0, 3)) is None
        assert shelf.tile(shown, Tile(0, 0, 3)) is None
        assert shelf.inclusion(shown, 2) is None
        assert shelf.shard(KNOWN.identity, SHARDS[1]) is None


def test_of_a_forgotten_shard_only_the_last_checkpoint_is_published(tmp_path: Path) -> None:
    log = Machine(tmp_path)
    log.batch([p4(number) for number in range(10)])
    log.now = decided_by(SHARDS[0]) + RETENTION_SECONDS + 1
    while log.forget():
        pass
    with closing(LogShelf(tmp_path / "log.db", KNOWN)) as shelf:
        shown = shelf.shard(KNOWN.identity, SHARDS[0])

        assert shown is not None
        assert shown.size == SignedCheckpoint.parse(shown.note).body.size >= 11
        assert shelf.tile(shown, Tile(0, 0, 11)) is None
        assert shelf.entries(shown, Bundle(0, 11)) is None
        assert shelf.inclusion(shown, 3) is None
    log.store.close()


def test_a_mirror_publishes_what_it_has_verified_and_how_far_a_quorum_has_cosigned(tmp_path: Path) -> None:
    pen, sale = mirrors.Pen(), mirrors.sale()
    pen.write(mirrors.pledge(sale), mirrors.released(sale))
    wall = mirrors.Wall(pen)
    first = wall.put_on_file("mirror-0", tmp_path / "mirror.db")
    wall.settle()
    with closing(MirrorShelf(tmp_path / "mirror.db")) as shelf:
        (shown,) = shelf.shards()
        signed = SignedCheckpoint.parse(shown.note)
        (path, entries) = shelf.inclusion(shown, 1), shelf.entries(shown, Bundle(0, 3))

        assert (shown.size, shown.certified, shown.frozen) == (3, 3, False)
        assert mirrors.KNOWN.quorum.evaluate(signed, [mirrors.KNOWN.verifier(mirrors.SHARD)]).met
        assert path is not None
        assert entries is not None
        assert verify_inclusion(1, 3, leaf_hash(entries[1]), path, signed.body.root)
    first.store.close()


def test_a_mirror_publishes_that_a_log_has_broken_a_rule(tmp_path: Path) -> None:
    pen, sale = mirrors.Pen(), mirrors.sale()
    wall = mirrors.Wall(pen)
    first = wall.put_on_file("mirror-0", tmp_path / "mirror.db")
    wall.settle()
    pen.write(mirrors.pledge(sale), mirrors.pledge(sale))  # one sale twice
    wall.settle()
    with closing(MirrorShelf(tmp_path / "mirror.db")) as shelf:
        (shown,) = shelf.shards()

        assert (shown.size, shown.frozen) == (1, True)
    first.store.close()
