"""Anchors: a shard ends, its last checkpoint stands in the chain, and what was certified outlives the shard."""

from __future__ import annotations

import pytest

from anonnet.errors import Why
from anonnet.protocol.breach import breach
from anonnet.protocol.known_log import CHAIN, expirations_of
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, Entries, Entry, EntryKind, Follow
from anonnet.protocol.quorum import Certificate, CertificateOf, cosignatures
from anonnet.protocol.rules import decided_by, follows, sound
from anonnet.times import RETENTION_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import verify_consistency
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode_record
from tests.circle import Circle, Prefix
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, Wall, entry, p4, sale, tick
from tests.stage import NETWORK, NOON
from tests.unit.parties.test_certifying import pledge, why


def chain(circle: Circle, name: str = "log") -> list[Entry]:
    """What stands in the chain, every entry held to the rules."""
    page = circle.ask(Follow(log=KNOWN.identity, shard=CHAIN, start=0), name)
    assert isinstance(page, Entries)
    found = list[Entry]()
    for each in page.entries:
        entry = sound(NETWORK, KNOWN, CHAIN, each.entry)
        follows(Prefix(found), entry)
        found.append(entry)
    return found


def over(circle: Circle) -> None:
    """The shard's last second has passed, and log and mirrors have looked."""
    circle.now = decided_by(SHARD) + 1
    for _ in range(2):  # closed at once, anchored when its end is cosigned
        circle.log.forget()
        circle.settle()


def certificate(circle: Circle) -> Certificate:
    transaction = sale()
    circle.ask(pledge(transaction))
    circle.settle()
    circle.ask(p4(transaction))
    circle.settle()
    found = circle.ask(CertificateOf(transaction=transaction, kind=int(EntryKind.KEY)))
    assert isinstance(found, Certificate)
    return found


def test_a_closed_shard_is_anchored_once_and_outlived_by_its_anchor() -> None:
    circle = Circle()
    certified = LogProof.parse(certificate(circle).proof).checkpoint
    over(circle)
    trees, size = circle.log.store.heads.trees, circle.log.store.size(SHARD)
    nodes = trees.consistency(SHARD, certified.body.size, size)
    circle.log.forget()
    before = chain(circle)
    circle.now = expirations_of(SHARD).stop + RETENTION_SECONDS
    for actor in circle.actors.values():
        actor.forget()
    circle.settle()

    genesis, anchor = chain(circle)

    assert [genesis, anchor] == before == chain(circle, MIRRORS[0])
    assert why(circle.ask(Follow(log=KNOWN.identity, shard=SHARD, start=0))) == Why.FORGOTTEN
    last = KNOWN.opened(SHARD, anchor.body)
    assert last.body.size == size
    assert KNOWN.agreed(cosignatures(KNOWN, last.note))
    kept = certified.body
    proof = nodes[1:] if kept.size & (kept.size - 1) == 0 else nodes
    assert verify_consistency(kept.size, size, kept.root, last.body.root, proof)
    assert (genesis.kind, anchor.kind) == (EntryKind.GENESIS, EntryKind.ANCHOR)


def test_without_a_quorum_a_shard_is_anchored_only_when_it_goes() -> None:
    circle = Circle()
    certificate(circle)
    circle.down = set(MIRRORS[1:])
    over(circle)
    waiting = [entry.kind for entry in chain(circle)]
    circle.now = expirations_of(SHARD).stop + RETENTION_SECONDS
    circle.log.forget()

    (anchor,) = [entry for entry in chain(circle) if entry.kind == EntryKind.ANCHOR]

    assert waiting == [EntryKind.GENESIS]
    assert not KNOWN.agreed(cosignatures(KNOWN, KNOWN.opened(SHARD, anchor.body).note))


def test_an_anchor_fits_into_its_entry_with_the_quorum_of_the_largest_policy() -> None:
    circle = Circle()
    certificate(circle)
    over(circle)
    said = circle.ask(CheckpointOf(log=KNOWN.identity, shard=SHARD, size=0, cosigned=0))
    assert isinstance(said, CheckpointIs)
    line = max(map(len, SignedCheckpoint.parse(said.checkpoints[-1]).note.encoded().splitlines()))

    assert len(decode_record(Entry, chain_bytes(circle)).body) + 17 * (line + 1) < 4096


def chain_bytes(circle: Circle) -> bytes:
    page = circle.ask(Follow(log=KNOWN.identity, shard=CHAIN, start=1))
    assert isinstance(page, Entries)
    return page.entries[0].entry


class Shelf(Pen):
    """Two shards of one log, each written by hand."""

    def __init__(self, *pens: Pen) -> None:
        super().__init__()
        self.pens = {pen.shard: pen for pen in pens}

    def answer(self, asked: Follow) -> Entries:
        return self.pens[asked.shard].answer(asked) if asked.shard in self.pens else self.nothing(asked)


CLOSED = decided_by(SHARD) + 1


def anchor(pen: Pen) -> Entry:
    """The chain's entry of how a shard has ended."""
    return entry(EntryKind.ANCHOR, CLOSED, pen.notes[pen.size])


def anchored_otherwise(*, late: bool, more: int) -> Wall:
    """A mirror that has read a shard's end, and an anchor of another one that is shorter by `more` entries; `late`: it
    reads the end after the anchor."""
    pen, chain = Pen(), Pen(shard=CHAIN)
    branch = pen.copy()
    branch.write(tick(NOON + 1), entry(EntryKind.CLOSE, CLOSED))
    pen.write(tick(NOON), *[tick(NOON)] * more)
    if not late:
        pen.write(entry(EntryKind.CLOSE, CLOSED))
    wall = Wall(Shelf(pen, chain), MIRRORS[:1])
    wall.now = CLOSED
    wall.settle()
    chain.write(anchor(branch))
    wall.pass_time(1)
    if late:
        pen.write(entry(EntryKind.CLOSE, CLOSED))
        wall.pass_time(1)
    return wall


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("more", [0, 2])
def test_a_shard_that_is_anchored_otherwise_than_mirrors_read_it_is_a_fork(late: bool, more: int) -> None:
    wall = anchored_otherwise(late=late, more=more)

    ((log, shard, evidence),) = wall.mirrors[MIRRORS[0]].store.alerts.all()
    assert (log, shard) == (KNOWN.identity, SHARD)
    assert breach(NETWORK, KNOWN, shard, evidence).kind == "fork"
    assert wall.size(MIRRORS[0], CHAIN) == 2, "the chain itself is lawful"


def test_the_anchor_of_what_mirrors_read_convicts_nobody() -> None:
    pen, chain = Pen(), Pen(shard=CHAIN)
    pen.write(tick(NOON), entry(EntryKind.CLOSE, CLOSED))
    chain.write(anchor(pen), entry(EntryKind.ANCHOR, CLOSED, Pen(shard=SHARD - 1).notes[1]))
    wall = Wall(Shelf(pen, chain), MIRRORS[:1])
    wall.now = CLOSED

    for _ in range(3):
        wall.pass_time(1)

    assert (wall.size(MIRRORS[0]), wall.size(MIRRORS[0], CHAIN)) == (3, 3)
    assert not wall.mirrors[MIRRORS[0]].store.alerts.all()
