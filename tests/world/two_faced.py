"""Logs that show one thing to some and another to others: two histories, or one tree under several texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import CheckpointIs, Entries
from anonnet.protocol.steps import Step
from anonnet.store.errands import Errand
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.note import Note
from anonnet.tlog.note import Signer as NoteSigner
from anonnet.wire.codec import decode
from anonnet.wire.frames import Frames, frame
from tests.mirrors import tick
from tests.stage import NOON, key_of
from tests.world.backups import opened
from tests.world.disk import Disk
from tests.world.liars import (
    EXTENDS,
    FORKS,
    HINTS,
    LATE_KEY,
    SUPPRESSES,
    BreakingLog,
    DeafLog,
    HangUp,
    LyingLog,
    Reply,
    written,
)
from tests.world.node import Node


def lying_log(lie: str, begins: float) -> Callable[..., Node]:
    """What makes the node of a log with this lie."""
    deaf = dict.fromkeys((SUPPRESSES, HINTS, LATE_KEY), DeafLog)
    kinds: dict[str, Callable[..., Node]] = {FORKS: ForkingLog, EXTENDS: ExtendingLog, **deaf}
    return partial(kinds.get(lie, BreakingLog), lie, begins)


class Branch(Node):
    """A log, or its other half, that takes no word of the other branch for its own."""

    def _answered(self, errand: Errand, data: bytes) -> None:
        (reply,) = Frames().feed(data)
        said = decode(reply.payload) if reply.step == Step.CHECKPOINT_IS else None
        if isinstance(said, CheckpointIs) and not all(self._led_to(said.shard, note) for note in said.checkpoints):
            self._tried(errand, settled=False)
        else:
            super()._answered(errand, data)

    def _led_to(self, shard: int, note: bytes) -> bool:
        body, heads = SignedCheckpoint.parse(note).body, self.store.heads
        return bool(body.size <= heads.size(shard) and heads.trees.root(shard, body.size) == body.root)


ROLES_APART = ("mirror", "log", "merchant")


class ForkingLog(Branch, LyingLog):
    """From some moment on it keeps two histories, and each of the others sees one of them."""

    def __init__(self, *more: Any) -> None:
        super().__init__(*more)
        self._other: Branch | None = None
        self._deceived: set[str] = set()
        self.events.after(self._from - NOON, self._fork)

    def _fork(self) -> None:
        self.faults[self._lie] += 1
        self.world.note(f"{self.name} {self._lie}")
        mirrors = [name for name in self.world.servers if name.startswith("mirror")]
        others = [name for name in (*self.world.nodes, "stranger") if name.split("-")[0] not in ROLES_APART]
        honest = self.chance.choice([name for name in mirrors if name not in self.world.liars])
        self._deceived = {honest, *self.chance.sample(mirrors, self.chance.choice([0, 1, 1])), "merchant-2"}
        self._deceived |= {name for name in others if self.chance.random() < 0.5}
        held = self._disk.content()
        self._other = Branch(self.world, self.name, self._make, lambda disk: opened(self.name, self.known, Disk(held)))
        self._other.look()
        self.world.network.broken(self.name)  # who waits here for what comes next would get it of this branch
        if self.chance.random() < 0.5:  # else they differ once something is recorded in both
            self.events.after(self.chance.uniform(0.0, 10.0), self._differ)
        if self.chance.random() < 0.8:
            self._part([name for name in mirrors if name in self._deceived], mirrors)

    def _differ(self) -> None:
        """Let time pass in both, not at the same second."""
        assert self._other is not None
        last = max(self.last_time(), self._other.store.last_time(shard_of(int(self.events.now))), self.clock())
        written(self, tick(last))
        written(self._other, tick(last + 1))

    def _part(self, some: list[str], mirrors: list[str]) -> None:
        """Let mirrors of two branches not speak with each other for a while."""
        cut = {frozenset((one, other)) for one in some for other in mirrors if other not in some}
        self.world.network.cut_off |= cut
        self.events.after(self.chance.choice([5.0, 20.0]), lambda: self.world.network.cut_off.difference_update(cut))

    def arrives(self, sender: str, data: bytes, reply: Reply, hang_up: HangUp) -> None:
        if self._other and sender in self._deceived:
            self._other.arrives(sender, data, reply, hang_up)
        else:
            super().arrives(sender, data, reply, hang_up)


class ExtendingLog(LyingLog):
    """Signs its checkpoints once more with a line for each whom it deceives, and shows him now the one, now the other.

    Size and root are the same, and nothing in the tree is wrong; but what is cosigned under one text holds under none
    of the others.
    """

    def __init__(self, *more: Any) -> None:
        super().__init__(*more)
        names = [name for name in self.world.servers if name != self.name]
        self._deceived = set(self.chance.sample(names, self.chance.choice([2, 4, len(names)])))

    def arrives(self, sender: str, data: bytes, reply: Reply, hang_up: HangUp) -> None:
        lies = self.events.now >= self._from and sender in self._deceived
        super().arrives(sender, data, partial(self._extended, sender, reply) if lies else reply, hang_up)

    def _extended(self, sender: str, reply: Reply, data: bytes) -> None:
        (answer,) = Frames().feed(data)
        said = decode(answer.payload) if answer.step in (Step.ENTRIES, Step.CHECKPOINT_IS) else None
        if isinstance(said, Entries | CheckpointIs) and said.checkpoints and self.chance.random() < 0.5:
            self.faults[self._lie] += 1
            notes = tuple(self._with_a_line(f"for {sender}", each) for each in said.checkpoints)
            data = bytes(frame(replace(said, checkpoints=notes), answer.request_id))
        reply(data)

    def _with_a_line(self, line: str, note: bytes) -> bytes:
        body = replace(SignedCheckpoint.parse(note).body, extensions=(line,))
        return Note(body.text, (NoteSigner(body.origin, key_of(self.name)).sign(body.text),)).encoded()
