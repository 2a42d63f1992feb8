"""A mirror whose every write is broken, failed and lost, or failed but kept: it cosigns one branch, and no proof goes.

It is opened again from its file, as its daemon would be, and is shown once more what it had been shown; or something
else, as by a log that has waited for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from anonnet.parties.alerting import SUBJECT
from anonnet.parties.mirror import Mirror
from anonnet.parties.turn import Party
from anonnet.parties.witnessing import Witnessing
from anonnet.protocol.breach import Alert, Alerts, AlertsOf, breach
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, CheckpointsSeen, Entry, Follow
from anonnet.protocol.quorum import cosignatures
from anonnet.protocol.refusal import Noted
from anonnet.protocol.witnessing import AddCheckpoint, CheckpointAdded
from anonnet.store.database import Database
from anonnet.store.mirror import MirrorStore
from anonnet.times import RETENTION_SECONDS, SHARD_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree
from anonnet.tlog.policy import NONE, Log, Policy
from anonnet.tlog.witness import OK, Request
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.breaking import breakings
from tests.dump import Dump, dump
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, pledge, sale, tick
from tests.stage import NETWORK, NOON, key_of
from tests.unit.tlog.making import LOG_KEY, entries, signed, signer, tree

ONE = MIRRORS[0]
WAYS = pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
STRIDE = 7
TOLD = {key_of(name).public for name in (*MIRRORS[1:], "bank")}
"""Whom this mirror tells of a log that is convicted."""
FORGOTTEN = NOON + RETENTION_SECONDS + 3 * SHARD_SECONDS
Cosigned = dict[int, tuple[bytes, bytes]]
"""Size: (root, cosignature)."""


def mirror() -> Party:
    key = key_of(ONE)
    return Mirror(Signer(NETWORK, key), key, {KNOWN.identity: KNOWN}, told=[key_of("bank").public])


class Reader:
    """A mirror on its file, which is shown one branch of the log."""

    def __init__(self, path: Path, database: Callable[..., Database] = Database, party: Party | None = None) -> None:
        self.now = NOON
        self.store = MirrorStore(str(path), database=database)
        self.actor = Actor(ONE, party or mirror(), self.store, lambda: self.now, lambda: bytes(32), rerun=False)

    def reads(self, pen: Pen) -> None:
        """Follow until nothing new comes."""
        self.actor.remind()
        for _ in range(2):
            for errand in self.store.errands.due(self.now, most=100):
                if isinstance(errand.message, Follow):
                    self.actor.takes(frame(pen.answer(errand.message), 1), answers=errand)

    def cosigned(self) -> Cosigned:
        """What it says that it has cosigned; nothing of a shard that it has forgotten."""
        said = self.actor.takes(frame(CheckpointOf(log=KNOWN.identity, shard=SHARD, size=0, cosigned=0), 1))
        notes = [SignedCheckpoint.parse(note) for note in said.checkpoints] if isinstance(said, CheckpointIs) else []
        found = [(each, cosignatures(KNOWN, each.note).get(key_of(ONE).public)) for each in notes]
        return {each.body.size: (each.body.root, line.value) for each, line in found if line}

    def alerts(self) -> tuple[Alert, ...]:
        said = self.actor.takes(frame(AlertsOf(start=0), 1))
        assert isinstance(said, Alerts)
        return said.alerts


def leads_to(pen: Pen, cosigned: Cosigned) -> bool:
    return all(size <= pen.size and pen.tree.root(size) == root for size, (root, _) in cosigned.items())


@pytest.mark.slow
@WAYS
def test_a_mirror_that_comes_back_cosigns_no_other_branch(tmp_path: Path, kept: bool) -> None:
    """It was shown one branch when a write broke, and is shown another one when it lives again."""
    for breaking in breakings(kept):
        path, said = tmp_path / f"{breaking.number}.db", Cosigned()
        one = Pen()
        other = one.copy()
        one.write(pledge(sale()))
        other.write(tick(NOON))
        with breaking.strikes():
            reader = Reader(path, breaking)
            reader.reads(one)
            said = reader.cosigned()
            one.write(tick(NOON))
            reader.reads(one)
            said |= reader.cosigned()

        again = Reader(path)
        other.write(tick(NOON), tick(NOON))
        again.reads(other)
        after = again.cosigned()
        again.store.close()

        assert {size: after.get(size) for size in said} == said, "what was said is gone, or said otherwise"
        assert leads_to(one, after) or leads_to(other, after), "it has cosigned both branches"
    assert breaking.count > 20, "the story writes more than that"


# A log that forks, or breaks a rule.


@dataclass
class Convict:
    """A log that is to be convicted, as one mirror is shown it, and all that the mirror has said: which stays true."""

    pieces: Sequence[Entry]
    """What the log writes behind its genesis, each under a checkpoint."""
    seen: bytes = b""
    """A checkpoint beyond the genesis that somebody else was shown."""
    is_noted: bool = False
    is_over: bool = False
    """The time of its shard is over, and the mirror may have forgotten it."""
    cosigned: Cosigned = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()

    def lives(self, reader: Reader) -> None:
        """It is convicted, writes on, and its shard is forgotten."""
        pen = Pen()
        self.reads(reader, pen)
        self.shows(reader)
        for each in self.pieces:
            pen.write(each)
            self.reads(reader, pen)
        self.ends(reader, pen)

    def comes_back(self, reader: Reader) -> None:
        """The mirror runs again, and finds all at once that the log has written meanwhile."""
        pen = Pen()
        if not self.is_noted:
            self.reads(reader, pen)
            self.shows(reader)
        for each in self.pieces:
            pen.write(each)
        self.reads(reader, pen)
        self.ends(reader, pen)

    def ends(self, reader: Reader, pen: Pen) -> None:
        reader.now, self.is_over = FORGOTTEN, True
        reader.actor.forget()
        self.reads(reader, pen)

    def shows(self, reader: Reader) -> None:
        """Who has a Noted for it does not show it again."""
        if self.seen:
            shown = CheckpointsSeen(log=KNOWN.identity, shard=SHARD, checkpoints=(self.seen,))
            self.is_noted = isinstance(reader.actor.takes(frame(shown, 1)), Noted)

    def reads(self, reader: Reader, pen: Pen) -> None:
        reader.reads(pen)
        cosigned, alerts = reader.cosigned(), reader.alerts()
        if not self.is_over:
            assert {size: cosigned.get(size) for size in self.cosigned} == self.cosigned, "a cosignature has changed"
        if self.alerts:
            assert cosigned.keys() <= self.cosigned.keys(), "it has cosigned for a log that it has convicted"
        assert alerts[: len(self.alerts)] == self.alerts, "an alert is gone"
        self.cosigned, self.alerts = self.cosigned | cosigned, alerts


def forks() -> Convict:
    """What somebody else was shown is of another branch."""
    pen = Pen()
    pen.write(tick(NOON), tick(NOON))
    return Convict((pledge(sale()), tick(NOON), tick(NOON + 1)), pen.notes[3])


def breaks_a_rule() -> Convict:
    return Convict((pledge(sale()), tick(NOON - 1), tick(NOON)))


def left(store: MirrorStore) -> Dump:
    """All but what is still to be asked."""
    return {table: rows for table, rows in dump(store).items() if table != "errand"}


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize(("convict", "kind"), [(forks, "fork"), (breaks_a_rule, "forward")])
def test_no_broken_write_loses_what_convicts_a_log(
    tmp_path: Path, convict: Callable[[], Convict], kind: str, kept: bool
) -> None:
    """In deep every write, else each STRIDEth."""
    whole = Reader(tmp_path / "whole.db")
    convict().lives(whole)
    for breaking in breakings(kept, STRIDE):
        path, log = tmp_path / f"{breaking.number}.db", convict()
        with breaking.strikes():
            log.lives(Reader(path, breaking))

        again = Reader(path)
        log.comes_back(again)

        assert [breach(NETWORK, KNOWN, each.shard, each.evidence).kind for each in log.alerts] == [kind]
        assert {each.receiver for each in again.store.errands.of(SUBJECT)} == TOLD
        assert left(again.store) == left(whole.store)
        again.store.close()
    assert breaking.count > 60, "the story writes more than that"


# A witness of foreign logs.


def witness() -> Party:
    key = key_of(ONE)
    desk = Witnessing(signer("example.com/witness"), Policy((Log(LOG_KEY),), NONE))
    return Mirror(Signer(NETWORK, key), key, {}, (), desk)


def is_cosigned(reader: Reader, tree: Tree, old: int, new: int) -> bool:
    """Post a checkpoint of `new` leaves, which extends that of `old`."""
    path = tuple(tree.consistency(old, new)) if old else ()
    request = Request(old, path, signed(new, tree.root(new)))
    said = reader.actor.command(AddCheckpoint(request=request.encoded()))
    assert isinstance(said, CheckpointAdded)
    return said.status == OK


@pytest.mark.slow
@WAYS
def test_a_witness_that_comes_back_cosigns_no_other_branch(tmp_path: Path, kept: bool) -> None:
    one, other = tree(entries(4)), tree([*entries(1), *entries(3, b"other")])
    for breaking in breakings(kept):
        path, size = tmp_path / f"{breaking.number}.db", 0
        with breaking.strikes():
            reader = Reader(path, breaking, witness())
            for old, new in ((0, 1), (1, 2), (2, 4)):
                assert is_cosigned(reader, one, old, new)
                size = new

        again = Reader(path, party=witness())
        assert not size or not is_cosigned(again, other, 0, 1), "what was cosigned is forgotten"
        forked = is_cosigned(again, other, 1, 4)
        again.store.close()

        assert not forked or size < 2, "it has cosigned both branches"
    assert breaking.count > 5, "the story writes more than that"
