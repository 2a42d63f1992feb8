"""The log's sequencer: what it signs is its tree, and no failure between two writes loses or doubles anything.

Every write of a story is broken in two ways, failed and lost, and failed but kept; then the log is opened again, as its
daemon would be, and looked at from outside: through its answers, and through the checkpoints that it has handed out.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anonnet.errors import BadStart, Fatal
from anonnet.limits import CHECKPOINT_STEP, ENTRIES_MAX
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import Entry, EntryKind, Time, TimeOf
from anonnet.protocol.rules import decided_by
from anonnet.store import lock
from anonnet.store.database import Database
from anonnet.store.lock import Lock
from anonnet.store.log import LogStore
from anonnet.store.places import number_of
from anonnet.times import BRAND_NOTICE_SECONDS, RETENTION_SECONDS
from anonnet.wire.codec import decode_record
from tests.breaking import breakings
from tests.dump import dump
from tests.machine import KNOWN, LAST, SHARDS, Machine, Observer, between, p4, size_of
from tests.stage import NOON, key_of, mint

STRIDE, LIFE_WRITES_MIN = 13, 150


@pytest.fixture
def log(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_one_checkpoint_for_a_batch_and_a_shard(log: Machine) -> None:
    log.batch([p4(number, between(number)) for number in range(10)])
    log.batch([p4(number, LAST) for number in range(10, 13)])

    sizes = [[size_of(note) for note in log.page(shard).checkpoints] for shard in SHARDS]

    assert sizes == [[6, 9], [6]]
    log.observer.reads(log)


def test_a_long_batch_has_a_checkpoint_at_each_step(log: Machine) -> None:
    """Else none might be among what one answer holds, and a mirror that has nothing yet would never take any in."""
    log.batch([p4(number) for number in range(2 * ENTRIES_MAX + 10)])  # after the genesis
    starts = 0, ENTRIES_MAX, 2 * ENTRIES_MAX

    sizes = [[size_of(note) for note in log.page(SHARDS[0], start).checkpoints] for start in starts]

    steps = range(CHECKPOINT_STEP, ENTRIES_MAX + 1, CHECKPOINT_STEP)
    assert sizes == [[*steps], [ENTRIES_MAX + step for step in steps], [2 * ENTRIES_MAX + 11]]
    log.observer.reads(log)


def test_a_sale_asked_twice_in_one_batch_stands_once(log: Machine) -> None:
    """One place for each transaction, also within the batch that takes it."""
    first, again = log.batch([p4(1), p4(1)])

    assert first == again
    log.observer.reads(log)
    assert log.store.size(SHARDS[0]) == 2


def test_who_reads_a_busy_log_slowly_is_handed_the_checkpoints_that_all_are(log: Machine) -> None:
    for number in range(3 * CHECKPOINT_STEP // 10):  # nineteen batches of ten, after the genesis
        log.batch([p4(10 * number + each) for each in range(10)])

    everyones = {CHECKPOINT_STEP, 2 * CHECKPOINT_STEP}
    for start in range(0, 131, 7):
        handed = {size_of(note) for note in log.page(SHARDS[0], start).checkpoints}
        assert {size for size in everyones if size > start} <= handed
    log.observer.reads(log)


@pytest.mark.slow
def test_checkpoints_that_nobody_will_cosign_any_more_go(log: Machine) -> None:
    for number in range(ENTRIES_MAX + CHECKPOINT_STEP + 30):
        log.batch([p4(number)])

    kept = sorted(number_of(row[0]) for row in dump(log.store)["checkpoint"])

    size = log.store.size(SHARDS[0])
    recent = range(size - ENTRIES_MAX + 1, size + 1)
    assert kept == [CHECKPOINT_STEP, *recent]
    log.observer.reads(log)


# Broken writes.


STORY = [
    [p4(1, between(1)), p4(2, between(2))],
    [p4(1, between(1)), p4(3, between(3)), p4(4, between(4))],
    [p4(5, LAST)],
]
STORY_OF_SHARDS = [p4(1, LAST), p4(2, LAST + 1)], [p4(3, LAST)], [p4(4, LAST + 1)]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_no_broken_write_loses_doubles_or_forks_anything(tmp_path: Path, kept: bool) -> None:
    for breaking in breakings(kept):
        path, observer = tmp_path / str(breaking.number), Observer()
        path.mkdir()
        with breaking.strikes():
            machine = Machine(path, observer, breaking)
            for batch in STORY:
                machine.batch(batch)
                observer.reads(machine)

        again = Machine(path, observer)
        observer.reads(again)
        for batch in STORY:
            again.batch(batch)
        observer.reads(again)
        assert len(observer.commits) == 5
        again.store.close()
    assert breaking.count > 40, "the story writes more than that"


(BRAND,) = mint(key_of("bank"), {1: "2048-a"}, now=NOON + 2 * BRAND_NOTICE_SECONDS)
LATE = p4(3, LAST)
"""Brought too late, and again when the clock has been set back, and does not show it any more."""
LIFE = [
    (NOON, [BRAND.offer.brand, p4(1, LAST), p4(2, LAST + 1)]),
    (LAST + 1, [LATE]),
    (LAST, [LATE]),
    (decided_by(SHARDS[0]) + 1, [BRAND.offer.brand]),
    (LAST + RETENTION_SECONDS + 2, []),
]
"""When, and what is brought then."""


def live(log: Machine) -> None:
    """A brand, a P4 that is late, and time, until the first shard is closed, anchored and dropped and the second one
    closed and anchored."""
    for log.now, requests in LIFE:
        log.batch(requests)
        while log.forget():
            log.observer.reads(log)
        log.observer.reads(log)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_no_broken_write_keeps_a_shard_from_its_end(tmp_path: Path, kept: bool) -> None:
    """In deep every write, else each STRIDEth."""
    whole = Machine(tmp_path)
    live(whole)
    kinds = [decode_record(Entry, each).kind for each in whole.read(CHAIN)[0]]
    assert kinds == [EntryKind.GENESIS, EntryKind.BRAND, EntryKind.ANCHOR, EntryKind.ANCHOR]
    assert whole.store.heads.final(SHARDS[0])
    for breaking in breakings(kept, STRIDE):
        path, observer = tmp_path / str(breaking.number), Observer()
        path.mkdir()
        with breaking.strikes():
            live(Machine(path, observer, breaking))

        again = Machine(path, observer)
        observer.reads(again)
        if observer.late:
            again.now = LAST
            again.batch([LATE])
        live(again)

        assert dump(again.store) == dump(whole.store)
        again.store.close()
        observer.reads(Machine(path, observer))
    assert breaking.count > LIFE_WRITES_MIN, "the story writes more than that"


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("more", [0, 1], ids=["forked", "put back"])
def test_no_broken_write_passes_by_what_a_mirror_has_shown(log: Machine, tmp_path: Path, more: int, kept: bool) -> None:
    """It has signed another entry, or further ones, where a snapshot of it goes on."""
    log.batch([p4(1)])
    log.store.close()
    shutil.copytree(tmp_path, tmp_path / "then")
    log = Machine(tmp_path, log.observer)
    log.batch([p4(2 + each) for each in range(1 + more)])
    shown = log.page(SHARDS[0]).checkpoints[-1]
    for breaking in breakings(kept):
        path, is_known = tmp_path / str(breaking.number), False
        shutil.copytree(tmp_path / "then", path)
        with breaking.strikes():
            then = Machine(path, database=breaking)
            then.batch([p4(9)])
            is_known = not then.store.answers_for(SHARDS[0], shown)

        if not is_known:
            with suppress(BadStart):  # it may be known all the same
                again = Machine(path)
                again.batch([p4(9)])
                assert not again.store.answers_for(SHARDS[0], shown)
                again.store.close()
        for _ in range(2):
            with pytest.raises(BadStart, match=r"(mirrors have|a mirror has)"):
                Machine(path)
    assert breaking.count > 15, "the story writes more than that"


def starts_on(log_db: Path, path: Path, database: Callable[..., Database] = Database) -> Machine:
    """A log in this folder, with another log.db than it had. Raises BadStart."""
    for end in ("-wal", "-shm"):
        (path / f"log.db{end}").unlink(missing_ok=True)
    shutil.copy(log_db, path / "log.db")
    return Machine(path, database=database)


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_no_broken_write_forgets_what_was_shown_before_it_is_found(log: Machine, tmp_path: Path, kept: bool) -> None:
    """A snapshot is behind in two shards; a newer log.db turns up that has what is missing of one, then the newest."""
    snapshots = [tmp_path / name for name in ("then", "newer", "newest")]
    for snapshot, batch in zip(snapshots, STORY_OF_SHARDS, strict=True):
        log.batch(batch)
        log.observer.reads(log)
        shown = [(shard, log.page(shard).checkpoints[-1]) for shard in SHARDS]
        log.store.close()
        snapshot.mkdir()
        for name in ("log.db", "lock.db"):
            shutil.copy(tmp_path / name, snapshot)
        log = Machine(tmp_path, log.observer)
    for breaking in breakings(kept):
        path, aside = tmp_path / str(breaking.number), tmp_path / f"{breaking.number} aside"
        shutil.copytree(snapshots[0], path)
        behind = Machine(path)
        assert not any([behind.store.answers_for(shard, note) for shard, note in shown])
        behind.store.close()
        for snapshot in snapshots[1:]:
            with breaking.strikes(), suppress(BadStart):
                starts_on(snapshot / "log.db", path, breaking)

            for older in snapshots[:-1]:
                shutil.copytree(path, aside)
                with pytest.raises(BadStart, match="anonnet log repair"):
                    starts_on(older / "log.db", aside)
                shutil.rmtree(aside)
        again = Machine(path, log.observer)
        again.observer.reads(again)
        assert Lock(Database(path / lock.FILE, version=lock.VERSION, read_only=True)).shown() == {}
        again.store.close()
    assert breaking.count > 10, "the story writes more than that"


# What must not be started.


def test_a_backup_that_was_put_back_does_not_start(log: Machine, tmp_path: Path) -> None:
    log.batch([p4(1)])
    log.store.close()
    shutil.copytree(tmp_path, tmp_path / "backup")
    log = Machine(tmp_path, log.observer)
    log.batch([p4(2)])
    log.store.close()
    for name in ("log.db", "log.db-wal"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup" / "log.db", tmp_path / "log.db")

    with pytest.raises(BadStart, match="had 3 entries when the log last ran, and has 2 here"):
        Machine(tmp_path)


def test_a_backup_from_before_a_shard_began_does_not_start(log: Machine, tmp_path: Path) -> None:
    log.store.close()
    shutil.copy(tmp_path / "log.db", tmp_path / "backup.db")
    log = Machine(tmp_path, log.observer)
    log.batch([p4(2)])
    log.store.close()
    (tmp_path / "log.db").unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "log.db")

    with pytest.raises(BadStart, match="had 2 entries when the log last ran, and has 0 here"):
        Machine(tmp_path)


def test_a_copy_that_went_on_by_itself_does_not_start(log: Machine, tmp_path: Path) -> None:
    log.batch([p4(1)])
    log.store.close()
    shutil.copytree(tmp_path, tmp_path / "copy")
    own, copy = Machine(tmp_path), Machine(tmp_path / "copy")
    own.batch([p4(2)])
    copy.batch([p4(3)])
    own.store.close()
    copy.store.close()
    shutil.copy(tmp_path / "copy" / "log.db", tmp_path / "log.db")

    with pytest.raises(BadStart, match="two histories"):
        Machine(tmp_path)


@pytest.mark.parametrize("damage", ["update node set hash = zeroblob(32)", "delete from node"])
def test_a_log_whose_tree_is_damaged_does_not_start(log: Machine, tmp_path: Path, damage: str) -> None:
    log.batch([p4(1), p4(2)])
    log.store.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as db, db:
        db.execute(f"{damage} where place = (select max(place) from node)")

    with pytest.raises(BadStart, match="is damaged"):
        Machine(tmp_path)


def test_a_log_of_another_key_does_not_start(log: Machine, tmp_path: Path) -> None:
    log.batch([p4(1)])
    log.store.close()
    other = partial(KnownLog(key_of("other").public).sealed, key_of("other"))

    with pytest.raises(BadStart, match="another log"):
        LogStore(str(tmp_path / "log.db"), seal=other)


@pytest.mark.parametrize("entries", [True, False], ids=["entries", "no entry yet"])
@pytest.mark.parametrize("made", [True, False], ids=["a new lock", "no lock"])
def test_a_log_without_its_lock_never_starts(log: Machine, tmp_path: Path, made: bool, entries: bool) -> None:
    """Also at the second start, and with the lock that `anonnet init` made, as a backup of the first day has it."""
    log.ask(p4(1) if entries else TimeOf(log=KNOWN.identity))
    log.store.close()
    (tmp_path / "lock.db").unlink()
    if made:
        Database(tmp_path / "lock.db", schema=lock.SCHEMA, version=lock.VERSION).close()

    for _ in range(3):
        with pytest.raises(BadStart, match=r"no lock\.db"):
            Machine(tmp_path)


def test_a_refused_start_moves_no_lock(log: Machine, tmp_path: Path) -> None:
    """One shard of the copy could have been the log's own, and would lead the lock past it; the other one tells."""
    log.batch([p4(1, LAST), p4(2, LAST + 1)])
    log.store.close()
    shutil.copytree(tmp_path, tmp_path / "copy")
    copy = Machine(tmp_path / "copy")
    copy.batch([p4(3, LAST), p4(4, LAST + 1)])
    copy.store.close()
    log = Machine(tmp_path, log.observer)
    log.batch([p4(5, LAST + 1)])
    log.store.close()
    shutil.move(tmp_path / "log.db", tmp_path / "own.db")
    shutil.copy(tmp_path / "copy" / "log.db", tmp_path / "log.db")
    for _ in range(2):
        with pytest.raises(BadStart, match="two histories"):
            Machine(tmp_path)

    shutil.move(tmp_path / "own.db", tmp_path / "log.db")

    log.observer.reads(Machine(tmp_path, log.observer))


def test_a_second_log_on_the_same_files_ends_before_it_answers(log: Machine, tmp_path: Path) -> None:
    """Its log.db is a copy, so that only the lock can tell."""
    log.batch([p4(1)])
    shutil.copytree(tmp_path, tmp_path / "copy")

    def sharing(path: str, **more: Any) -> Database:
        return Database(str(tmp_path / "lock.db") if path.endswith("lock.db") else path, **more)

    second = Machine(tmp_path / "copy", database=sharing)
    log.batch([p4(2)])

    with pytest.raises(Fatal, match="does a second log write here"):
        second.batch([p4(3)])


# The end of a shard.


def test_a_shard_is_closed_when_all_is_decided_and_dropped_when_its_delay_is_over(log: Machine, tmp_path: Path) -> None:
    log.batch([p4(1, LAST), p4(2, LAST + 1)])
    closing = decided_by(SHARDS[0])

    kinds = {}
    for log.now in (closing, closing + 1, closing + 2):
        log.forget()
        kinds[log.now] = [decode_record(Entry, each).kind for each in log.read(SHARDS[0])[0]]
    log.observer.reads(log)
    last = log.page(SHARDS[0]).checkpoints[-1]
    log.now = LAST + 1 + RETENTION_SECONDS
    while log.forget():
        pass
    log.store.close()
    log = Machine(tmp_path, log.observer)

    assert kinds[closing] == [EntryKind.GENESIS, EntryKind.COMMIT]
    assert kinds[closing + 1] == kinds[closing + 2] == [EntryKind.GENESIS, EntryKind.COMMIT, EntryKind.CLOSE]
    assert log.store.heads.final(SHARDS[0]) == last
    time = log.ask(TimeOf(log=KNOWN.identity))
    assert isinstance(time, Time)
    assert [each.shard for each in time.shards] == [CHAIN, SHARDS[1]]
    left = dump(log.store)
    of_a_shard = ("entry", "outcome", "node", "checkpoint", "head")
    assert not [row for table in of_a_shard for row in left[table] if row[0] == SHARDS[0]]
