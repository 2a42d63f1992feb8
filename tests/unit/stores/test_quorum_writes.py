"""A log under a quorum, and one of its mirrors, whose every write is broken: failed and lost, failed but kept.

After each broken write the victim is opened again from its files, as its daemon would be, and all is asked once more.
What it has said before must hold: no second outcome, no fork, no receipt for a key that is gone.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from anonnet.errors import Fatal
from anonnet.parties.mirror import Mirror
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, Entries, EntryKind, Follow, OutcomeOf
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Pledge, cosignatures
from anonnet.protocol.transaction import Transaction
from anonnet.store.mirror import MirrorStore
from anonnet.times import SETTLE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import decode, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.actor import Actor, Said
from tests.breaking import Breaking, breakings
from tests.circle import Circle
from tests.mirrors import EXPIRATION, KNOWN, MIRRORS, SHARD, Pen, p4, pledge, sale, signed_by, tick
from tests.stage import NETWORK, NOON, key_of

ONE = MIRRORS[0]
PAID, FREED = sale(), sale(EXPIRATION + 1)
STRIDE = 53
WRITES_MIN = 200
WAYS = pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])


def outcomes(circle: Circle, transaction: Transaction) -> list[object]:
    return [circle.ask(OutcomeOf(transaction=transaction), name) for name in MIRRORS]


def play(circle: Circle, told: dict[str, Said | None]) -> None:
    """One sale is pledged and paid, another one ends without a pledge. What was told before is told again."""
    circle.now = NOON
    circle.settle()
    circle.say(signed_by("merchant", Pledge(transaction=PAID)), "log")
    circle.settle()
    for name in ("log", *MIRRORS):
        said = circle.say(p4(PAID), name)
        assert told.setdefault(name, said) == said, f"{name} has answered P4 in two ways"
    circle.settle()
    circle.now = EXPIRATION + SETTLE_SECONDS + 2
    outcomes(circle, FREED)
    circle.settle()


def checkpoints(circle: Circle) -> list[tuple[str, SignedCheckpoint]]:
    """All that somebody has shown, and who."""
    found = []
    for name, said in circle.heard:
        notes = said.checkpoints if isinstance(said, CheckpointIs | Entries) else ()
        found += [(name, SignedCheckpoint.parse(note)) for note in notes]
    return found


def check(circle: Circle) -> None:
    """What was ever said is true of what stands there now."""
    entries = circle.entries()
    assert [each.kind for each in entries] == [EntryKind.GENESIS, EntryKind.PLEDGE, EntryKind.KEY, EntryKind.TICK]
    tree = Tree.from_leaves(b"".join(leaf_hash(encode(each)) for each in entries))
    lines = defaultdict(set)
    for _, signed in checkpoints(circle):
        if signed.body.origin == KNOWN.origin(SHARD):
            assert signed.body.root == tree.root(signed.body.size), "the log has forked"
            for mirror, line in cosignatures(KNOWN, signed.note).items():
                lines[mirror, signed.body.size].add(line.value)
    assert all(len(each) == 1 for each in lines.values()), "a mirror has cosigned one tree twice"
    for said in outcomes(circle, PAID):
        assert committed(NETWORK, KNOWN, unsigned(said).signed, PAID) is not None
    assert outcomes(circle, FREED) == [Abort(transaction=FREED)] * len(MIRRORS)
    aborted = [decode(said.body) for _, said in circle.heard if isinstance(said, Signed)]
    assert Abort(transaction=PAID) not in aborted


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("victim", ["log", ONE])
def test_no_broken_write_loses_doubles_or_forks_anything(tmp_path: Path, victim: str, kept: bool) -> None:
    """In deep every write, else each STRIDEth."""
    for breaking in breakings(kept, STRIDE):
        path, circle, told = tmp_path / str(breaking.number) / "log.db", Circle(), dict[str, Said | None]()
        path.parent.mkdir()
        with breaking.strikes():
            circle.enter(victim, str(path), breaking)
            circle.actors[victim].turns.rerun = False
            play(circle, told)

        circle.enter(victim, str(path))
        play(circle, told)
        check(circle)
        circle.actors[victim].store.close()
    assert breaking.count > WRITES_MIN, "the story writes more than that"


# Another branch, after a write that broke.


class Reader:
    """A mirror on its file, which is shown one branch of the log."""

    def __init__(self, path: Path, breaking: Breaking | None = None) -> None:
        key = key_of(ONE)
        more = {"database": breaking} if breaking else {}
        self.store = MirrorStore(str(path), **more)
        mirror = Mirror(Signer(NETWORK, key), key, {KNOWN.identity: KNOWN})
        self.actor = Actor(ONE, mirror, self.store, lambda: NOON, lambda: bytes(32), rerun=False)

    def reads(self, pen: Pen) -> None:
        """Follow until nothing new comes."""
        self.actor.remind()
        for _ in range(2):
            for errand in self.store.errands.due(NOON, most=100):
                if isinstance(errand.message, Follow):
                    self.actor.takes(frame(pen.answer(errand.message), 1), answers=errand)

    def cosigned(self) -> dict[int, tuple[bytes, bytes]]:
        """Size: (root, cosignature) of what it says that it has cosigned."""
        said = self.actor.takes(frame(CheckpointOf(log=KNOWN.identity, shard=SHARD, size=0, cosigned=0), 1))
        assert isinstance(said, CheckpointIs)
        notes = [SignedCheckpoint.parse(note) for note in said.checkpoints]
        found = [(each, cosignatures(KNOWN, each.note).get(key_of(ONE).public)) for each in notes]
        return {each.body.size: (each.body.root, line.value) for each, line in found if line}


def leads_to(pen: Pen, cosigned: dict[int, tuple[bytes, bytes]]) -> bool:
    return all(size <= pen.size and pen.tree.root(size) == root for size, (root, _) in cosigned.items())


@pytest.mark.slow
@WAYS
def test_a_mirror_that_comes_back_cosigns_no_other_branch(tmp_path: Path, kept: bool) -> None:
    """It was shown one branch when a write broke, and is shown another one when it lives again."""
    number, broke = 0, True
    while broke:
        number += 1
        path, broke, said = tmp_path / f"{number}.db", False, dict[int, tuple[bytes, bytes]]()
        one = Pen()
        other = one.copy()
        one.write(pledge(PAID))
        other.write(tick(NOON))
        breaking = Breaking(number, kept)
        try:
            reader = Reader(path, breaking)
            reader.reads(one)
            said = reader.cosigned()
            one.write(tick(NOON))
            reader.reads(one)
            said |= reader.cosigned()
        except Fatal:
            broke = True
        for database in breaking.made:
            database.close()

        again = Reader(path)
        other.write(tick(NOON), tick(NOON))
        again.reads(other)
        after = again.cosigned()
        again.store.close()

        assert {size: after.get(size) for size in said} == said, "what was said is gone, or said otherwise"
        branches = [
            pen
            for pen in (one, other)
            if all(size <= pen.size and pen.tree.root(size) == root for size, (root, _) in after.items())
        ]
        assert branches, "it has cosigned both branches"
    assert number > 20, "the story writes more than that"
