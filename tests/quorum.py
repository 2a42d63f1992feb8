"""A scene in which four mirrors decide with the log, three of them a quorum; and one whose log the test writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anonnet.parties.turn import Party
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import EntryKind, Follow, OutcomeOf, ShardSize, Time, TimeOf, Undecided
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.protocol.quorum import Pledge, Pledged
from anonnet.protocol.rules import Broken, follows, sound
from anonnet.protocol.transaction import Transaction
from anonnet.store.base import Store
from anonnet.store.database import Database
from anonnet.store.errands import SCHEMA
from anonnet.times import RELEASE_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import STEPS, encode
from anonnet.wire.frames import Frame
from anonnet.wire.signed import Checked, Signer, received
from tests.actor import Actor, Said
from tests.mirrors import MIRRORS, Pen, entry, tick
from tests.paper.scenes import LEAD, Scene
from tests.stage import NETWORK, key_of


@dataclass
class WrittenLog(Actor):
    """A log under a quorum whose entries stand in pens, so that a test may have it lie or fall silent."""

    known: KnownLog = field(default_factory=lambda: KnownLog(key_of("log").public))
    pens: dict[int, Pen] = field(default_factory=dict)
    deaf_to: set[type] = field(default_factory=set)
    """The kinds of request that get no answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.signer = Signer(NETWORK, key_of("log"))

    def pen(self, shard: int) -> Pen:
        return self.pens.setdefault(shard, Pen(self.known, shard=shard, begun=self.clock()))

    def takes(self, frame: Frame, *, owner: bool = False, answers: Any = None) -> Said | None:
        kind = STEPS[frame.step]
        said: Checked[Any] = received(NETWORK, kind, frame.payload)
        return None if kind in self.deaf_to else self._answer(said)

    def _answer(self, said: Checked[Any]) -> Said | None:
        body = said.body
        if isinstance(body, TimeOf):
            sizes = [ShardSize(shard=shard, size=pen.size) for shard, pen in sorted(self.pens.items())]
            return self.signer.sign(Time(log=self.known.identity, time=self.clock(), shards=tuple(sizes)))
        if isinstance(body, Follow):
            return self.pens[body.shard].answer(body) if body.shard in self.pens else Pen.nothing(body)
        if isinstance(body, Pledge):
            self._write(EntryKind.PLEDGE, said, body.transaction)
            return self.signer.sign(Pledged(transaction=body.transaction, index=0))
        if isinstance(body, AuthorizationM):
            self._write(EntryKind.KEY, said, body.transaction)
            return self.signer.sign(Commit(authorization_m=said.signed, index=0))
        if isinstance(body, OutcomeOf):
            self.pen(shard_of(body.transaction.expiration)).write(tick(self.clock()))
            return self.signer.sign(Undecided(transaction=body.transaction, time=self.clock()))
        return None

    def _write(self, kind: EntryKind, said: Checked[Any], transaction: Transaction) -> None:
        """As an honest log: what the rules forbid is not written."""
        shard = shard_of(transaction.expiration)
        next_one = entry(kind, self.clock(), encode(said.signed), transaction.outcome_key)
        try:
            follows(self.pen(shard), sound(NETWORK, self.known, shard, encode(next_one)))
        except Broken:
            return
        self.pen(shard).write(next_one)


@dataclass
class QuorumScene(Scene):
    """The scene of the paper's claims under a quorum. `dead` parties take and say nothing."""

    mirrored_by: tuple[str, ...] = MIRRORS
    dead: set[str] = field(default_factory=set)

    def say(self, sender: str, receiver: Actor, said: Said) -> Said | None:
        return None if {sender, receiver.name} & self.dead else super().say(sender, receiver, said)

    def wait(self, seconds: int) -> None:
        """Let time pass second by second, as errands that are held wait by the second here."""
        for _ in range(seconds):
            self.pass_time(1)


@dataclass
class WrittenScene(QuorumScene):
    """The same with a log that the test writes."""

    def _log(self, known: KnownLog) -> WrittenLog:
        store = Store(Database(":memory:", schema=SCHEMA))
        return WrittenLog(
            "log", Party(Signer(NETWORK, key_of("log"))), store, lambda: self.now, self._entropy, known=known
        )


def suppressed(folder: Path, late: int = 0) -> WrittenScene:
    """The log has recorded a pledge, but not its key, which its mirrors got `late` seconds after the certificate."""
    scene = WrittenScene(folder)
    scene.prepare()
    scene.wait(1)
    scene.log.deaf_to.add(AuthorizationM)
    scene.lost = lambda line: late > 0 and line.kind is AuthorizationM
    scene.buy()
    scene.settle()
    scene.wait(6)
    scene.pass_time(late)
    scene.lost = lambda line: False
    scene.wait(2)
    scene.pass_time(LEAD + RELEASE_SECONDS + SETTLE_SECONDS + 1 - late)
    scene.wait(66)
    return scene
