"""A log that goes on from an older state shows its mirrors, one after the other, two histories; no one else has seen
the second. They hold the first, and read the log again on a new connection, or where it leads elsewhere than they are.
"""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from anonnet.limits import CHECKPOINT_STEP
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import CheckpointIs, EntryKind, Follow
from anonnet.protocol.rules import decided_by
from anonnet.store.places import place
from anonnet.store.trees import Damaged, node_number
from anonnet.times import BEHIND_SECONDS, COMPARE_SECONDS
from anonnet.wire.frames import frame
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, Wall, entry, tick
from tests.stage import NOON, key_of
from tests.unit.parties.test_compared import ALONE, ONE, TWO, convicted, honest


def written(pen: Pen, size: int, *, time: int = NOON, batch: int) -> Pen:
    """Let a log grow to so many entries, in batches; as any log's they have an end at each CHECKPOINT_STEP too."""
    while pen.size < size:
        till = min(size, pen.size + batch)
        while pen.size < till:
            step = min(till, (pen.size // CHECKPOINT_STEP + 1) * CHECKPOINT_STEP)
            pen.write(*[tick(time)] * (step - pen.size))
    return pen


@pytest.mark.parametrize("known", [KNOWN, ALONE], ids=["quorum", "alone"])
def test_a_log_that_goes_on_from_an_older_state_is_convicted_by_its_mirrors(known: KnownLog) -> None:
    for seed in range(16):
        chance = random.Random(seed)
        common = chance.choice([2, 63, 64, 200, 256, 257, 500])
        lost = common + chance.choice([1, 2, 20, 63, 64, 300])
        now = max(common + 1, lost + chance.choice([-1, 0, 1, 20, 64, 300]))
        batches = [chance.choice([1, 8, 250]) for _ in range(2)]
        pen = written(Pen(known), common, batch=250)
        branch = written(pen.copy(), now, time=NOON + 1, batch=batches[0])
        wall = Wall(written(pen, lost, batch=batches[1]), known=known)
        wall.settle()
        assert wall.size(ONE) == lost, f"seed {seed}"

        wall.put_back(branch)
        wall.pass_time(COMPARE_SECONDS)
        written(branch, lost + 1, time=NOON + 1, batch=250)  # where it has less than the bundle in which they ask
        for _ in range(2):
            wall.pass_time(COMPARE_SECONDS)

        assert convicted(wall) == list(MIRRORS), f"seed {seed}: {common} of {lost}, then {now}, batches {batches}"


@pytest.mark.parametrize("known", [KNOWN, ALONE], ids=["quorum", "alone"])
def test_it_is_convicted_by_what_it_writes_once_it_is_read_again(known: KnownLog) -> None:
    """When they come back it has not written anything yet that they do not have."""
    pen = written(Pen(known), 15, batch=1)
    branch = pen.copy()
    wall = Wall(written(pen, 20, batch=1), known=known)
    wall.settle()
    wall.put_back(branch)
    wall.settle()
    assert honest(wall)

    branch.write(tick(NOON + 1))
    wall.pass_time(BEHIND_SECONDS)
    assert convicted(wall) == list(MIRRORS)


@pytest.mark.parametrize("known", [KNOWN, ALONE], ids=["quorum", "alone"])
def test_nothing_is_held_against_a_log_that_is_read_again(known: KnownLog) -> None:
    pen = written(Pen(known), 700, batch=8)
    wall = Wall(pen, known=known)
    wall.settle()
    for _ in range(3):
        wall.put_back(pen)
        written(pen, pen.size + 100, batch=8)
        wall.pass_time(COMPARE_SECONDS)

    assert {wall.size(name) for name in MIRRORS} == {1000}
    assert honest(wall)


@pytest.mark.parametrize("known", [KNOWN, ALONE], ids=["quorum", "alone"])
@pytest.mark.parametrize("size", [512, 530])
def test_what_an_answer_holds_beyond_its_last_checkpoint_counts_as_read_by_nobody(known: KnownLog, size: int) -> None:
    """Entries so large that answers end between two checkpoints: the histories part behind the one before."""
    pen = written(Pen(known, most=172), 405, batch=250)
    branch = written(pen.copy(), 900, time=NOON + 1, batch=250)
    wall = Wall(written(pen, size, batch=250), known=known)
    wall.settle()

    wall.put_back(branch)
    for _ in range(3):
        wall.pass_time(COMPARE_SECONDS)

    assert convicted(wall) == list(MIRRORS)


@pytest.mark.parametrize(("common", "ours", "theirs"), [(8, 9, 11), (400, 690, 702)])
def test_ends_of_a_shard_that_a_log_told_differently_are_found_by_who_hears_of_the_larger_one(
    common: int, ours: int, theirs: int
) -> None:
    """Who holds the larger one has asked before the smaller one was there, and asks no more."""
    pen = written(Pen(ALONE), common, batch=1)
    branch = pen.copy()
    wall = Wall([pen, branch], names=[ONE, TWO], known=ALONE)
    wall.settle()
    wall.now = decided_by(SHARD) + 1
    written(pen, ours, time=wall.now, batch=1).write(entry(EntryKind.CLOSE, wall.now))
    written(branch, theirs, time=wall.now + 1, batch=1).write(entry(EntryKind.CLOSE, wall.now + 1))
    wall.cut = {frozenset({ONE, TWO})}
    wall.settle()
    assert (wall.size(ONE), wall.size(TWO), convicted(wall)) == (ours + 1, theirs + 1, [])
    wall.mirrors[TWO].store.errands.end_all(ALONE.origin(SHARD).encode())
    wall.cut = set()

    for _ in range(6):
        wall.pass_time(COMPARE_SECONDS)

    assert convicted(wall) == [ONE, TWO]


def test_another_mirror_is_asked_for_one_thing_at_a_time_however_often_it_says_that_it_has_more() -> None:
    pen = Pen()
    wall = Wall(pen, names=[ONE, TWO])
    wall.cut = {frozenset({ONE, TWO})}
    wall.settle()
    errands, other = wall.mirrors[ONE].store.errands, key_of(TWO).public
    for _ in range(5):
        pen.write(tick(NOON))
        wall.pass_time(BEHIND_SECONDS)
        ahead = pen.copy()
        ahead.write(tick(NOON))
        said = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=(ahead.notes[ahead.size],))
        (question,) = [each for each in errands.of(KNOWN.origin(SHARD).encode()) if each.receiver == other]
        wall.mirrors[ONE].takes(frame(said, 1), answers=question)

        assert len([each for each in errands.of(other) if isinstance(each.message, Follow)]) == 1


def test_a_mirror_whose_own_tree_is_damaged_says_so_and_accuses_nobody(tmp_path: Path) -> None:
    pen = written(Pen(), 12, batch=4)
    wall = Wall(pen, names=[ONE])
    store = wall.put_on_file(ONE, tmp_path / "mirror.db").store
    wall.settle()
    tree = store.copy(KNOWN.identity, SHARD).tree
    with closing(sqlite3.connect(tmp_path / "mirror.db")) as database, database:
        at = place(tree, node_number(2, 0))
        assert database.execute("update node set hash = zeroblob(32) where place = ?", (at,)).rowcount == 1

    wall.put_back(pen)
    with pytest.raises(Damaged, match="fsck"):
        wall.settle()

    assert store.alerts.all() == []
