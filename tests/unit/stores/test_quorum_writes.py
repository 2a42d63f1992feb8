"""A log under a quorum, and one of its mirrors, whose every write is broken: failed and lost, failed but kept.

After each broken write the victim is opened again from its files, as its daemon would be, and all is asked once more.
What it has said before must hold: no second outcome, no fork, no receipt for a key that is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.logbook import CheckpointIs, Entries, Entry, EntryKind, OutcomeOf
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Pledge, cosignatures
from anonnet.protocol.rules import decided_by
from anonnet.protocol.transaction import Transaction
from anonnet.times import SETTLE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import Signed, unsigned
from tests.actor import Said
from tests.breaking import breakings
from tests.circle import Circle
from tests.mirrors import EXPIRATION, KNOWN, MIRRORS, SHARD, p4, sale, signed_by
from tests.stage import NETWORK, NOON
from tests.unit.parties.test_anchors import chain

ONE = MIRRORS[0]
STANDS = [EntryKind.GENESIS, EntryKind.PLEDGE, EntryKind.KEY, EntryKind.TICK]
"""In the shard, when the story has been played."""
PAID, FREED = sale(), sale(EXPIRATION + 1)
STRIDE = 53
WRITES_MIN, ENDED_WRITES_MIN = 200, 230
WAYS = pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])


Told = dict[str, Said | None]
"""What each has answered to P4."""


def outcomes(circle: Circle, transaction: Transaction) -> list[object]:
    return [circle.ask(OutcomeOf(transaction=transaction), name) for name in MIRRORS]


def play(circle: Circle, told: Told) -> None:
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


def play_to_the_end(circle: Circle, told: Told) -> None:
    """The same; then the shard is over: it is closed at once, and anchored when its end is cosigned."""
    play(circle, told)
    circle.now = decided_by(SHARD) + 1
    for _ in range(2):
        circle.log.forget()
        circle.settle()


def check_unforked(circle: Circle, shard: int, entries: list[Entry]) -> None:
    """Whatever was signed of a shard is of what stands there now."""
    tree = Tree.from_leaves(b"".join(leaf_hash(encode(each)) for each in entries))
    lines = defaultdict(set)
    for _, signed in checkpoints(circle):
        if signed.body.origin == KNOWN.origin(shard):
            assert signed.body.root == tree.root(signed.body.size), "the log has forked"
            for mirror, line in cosignatures(KNOWN, signed.note).items():
                lines[mirror, signed.body.size].add(line.value)
    assert all(len(each) == 1 for each in lines.values()), "a mirror has cosigned one tree twice"


def check(circle: Circle) -> None:
    """What was ever said is true of what stands there now."""
    entries = circle.entries()
    assert [each.kind for each in entries] == STANDS
    check_unforked(circle, SHARD, entries)
    for said in outcomes(circle, PAID):
        assert committed(NETWORK, KNOWN, unsigned(said).signed, PAID) is not None
    assert outcomes(circle, FREED) == [Abort(transaction=FREED)] * len(MIRRORS)
    aborted = [decode(said.body) for _, said in circle.heard if isinstance(said, Signed)]
    assert Abort(transaction=PAID) not in aborted


def played_again(
    tmp_path: Path, victim: str, kept: bool, story: Callable[[Circle, Told], None], writes_min: int
) -> Iterator[Circle]:
    """For one write of the victim after the other: the circle after the story that it broke, and that again."""
    for breaking in breakings(kept, STRIDE):
        path, circle, told = tmp_path / str(breaking.number) / "log.db", Circle(), Told()
        path.parent.mkdir()
        with breaking.strikes():
            circle.enter(victim, str(path), breaking)
            circle.actors[victim].turns.rerun = False
            story(circle, told)

        circle.enter(victim, str(path))
        story(circle, told)
        yield circle
        circle.actors[victim].store.close()
    assert breaking.count > writes_min, "the story writes more than that"


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("victim", ["log", ONE])
def test_no_broken_write_loses_doubles_or_forks_anything(tmp_path: Path, victim: str, kept: bool) -> None:
    """In deep every write, else each STRIDEth."""
    for circle in played_again(tmp_path, victim, kept, play, WRITES_MIN):
        check(circle)


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("victim", ["log", ONE])
def test_no_broken_write_keeps_a_shard_from_being_anchored_once(tmp_path: Path, victim: str, kept: bool) -> None:
    """In deep every write, else each STRIDEth: of the close, its cosignatures and the anchor as of all before."""
    for circle in played_again(tmp_path, victim, kept, play_to_the_end, ENDED_WRITES_MIN):
        entries = circle.entries()
        assert [each.kind for each in entries] == [*STANDS, EntryKind.CLOSE]
        check_unforked(circle, SHARD, entries)
        genesis, anchor = chain(circle)
        check_unforked(circle, CHAIN, [genesis, anchor])
        assert all(chain(circle, name) == [genesis, anchor] for name in MIRRORS)
        assert KNOWN.agreed(cosignatures(KNOWN, KNOWN.opened(SHARD, anchor.body).note))
