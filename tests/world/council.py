"""A log whose word counts only with that of its mirrors, in the world: some seeds have one, and liars among them.

At most one mirror lies, since one of four may; the log lies in about half of these seeds. Whose lie a seed has follows
from its number, so that every pair of lies comes up equally often. Faults gather around the moments that decide: a
sale's expiration, and the last second of its key.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from anonnet.parties.log import Log
from anonnet.parties.mirror import Mirror
from anonnet.protocol.known_log import mirror_policy
from anonnet.protocol.logbook import Entries, OutcomeOf
from anonnet.protocol.network import Role
from anonnet.protocol.purchase import AuthorizationB
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.store.mirror import MirrorStore
from anonnet.times import CLAIM_SECONDS, RELEASE_SECONDS
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.frames import Frames, frame
from anonnet.wire.signed import Signed, Signer
from tests.stage import NETWORK, key_of
from tests.world.backups import opened
from tests.world.liars import FROZEN_BEFORE, LOG_LIES, MIRROR_LIES, HangUp, LyingMirror, Reply
from tests.world.network import Heard, Weather
from tests.world.node import Node
from tests.world.snapshots import SnapshotLog
from tests.world.two_faced import lying_log

if TYPE_CHECKING:
    from tests.world.world import World

MIRRORS = tuple(f"mirror-{number}" for number in range(1, 5))
LOG = "log-1"
QUORUM = 3
"""Of four, so that one may lie."""
POLICY = mirror_policy({name: key_of(name).public for name in MIRRORS}, QUORUM)
LOG_PLANS = (*LOG_LIES, *[""] * (12 - len(LOG_LIES)))
MIRROR_PLANS = (*MIRROR_LIES, "")
"""As many as have no divisor in common with those of the log."""
STRIKE_CHANCE = 0.35
"""That a sale's expiration has a fault of its own."""
CALM_SECONDS, CALMS_MAX, LIED_CALMS = 20.0, 24, 2
AROUND_SECONDS = 8
SLOW_SECONDS = 4.0
"""At most so long a terse log takes to hand out entries: others come in the meantime."""
CLAIMS_MAX = 2
"""Claim times that may have to pass: a wallet that has waited for a silent log may pay only after the first."""


def has_council(seed: int) -> bool:
    """Two seeds of five have a log under a quorum."""
    return seed % 5 < 2


@dataclass(frozen=True)
class Plan:
    """What the log and its mirrors are like in a seed that has a council."""

    log_lie: str
    mirror_lie: str
    """Empty: nobody lies."""
    terse: bool
    """The log hands out no more checkpoints than it must."""

    @classmethod
    def of(cls, seed: int) -> Plan:
        number = 2 * (seed // 5) + seed % 5
        lies = LOG_PLANS[number % len(LOG_PLANS)], MIRROR_PLANS[number % len(MIRROR_PLANS)]
        return cls(*lies, terse=random.Random(f"terse {seed}").random() < 0.5)


class Terse:
    """In front of a log: slow, with the newest checkpoint alone for an answer, so that each mirror sees other ones."""

    def __init__(self, log: Node) -> None:
        self.name, self._log = log.name, log

    def arrives(self, sender: str, data: bytes, reply: Reply, hang_up: HangUp) -> None:
        self._log.arrives(sender, data, partial(self._shortened, reply), hang_up)

    def _shortened(self, reply: Reply, data: bytes) -> None:
        (answer,) = Frames().feed(data)
        if answer.step != Step.ENTRIES:
            reply(data)
            return
        entries = decode(answer.payload)
        assert isinstance(entries, Entries)
        shortened = bytes(frame(replace(entries, checkpoints=entries.checkpoints[-1:]), answer.request_id))
        self._log.after(self._log.chance.uniform(0.0, SLOW_SECONDS), lambda: reply(shortened))


class Council:
    """The first log and its mirrors."""

    def __init__(self, world: World) -> None:
        self.world, self.chance = world, world.chance
        self.plan = Plan.of(world.seed)
        self.log_lie, self.mirror_lie = self.plan.log_lie, self.plan.mirror_lie
        self.liar = self.chance.choice(MIRRORS) if self.mirror_lie else ""
        self.begins = self.chance.uniform(3.0, 20.0)
        """When the lies begin, in seconds from the start of the run."""
        self._struck: set[Transaction] = set()

    @property
    def honest(self) -> list[str]:
        """The mirrors that never lie."""
        return [name for name in MIRRORS if name != self.liar]

    @property
    def liars(self) -> set[str]:
        """Whose word is not held against what else he said."""
        return {name for name, lies in ((LOG, self.log_lie), (self.liar, self.mirror_lie)) if lies}

    # Who there is.

    def node(self, name: str) -> Node:
        """The log, or one of its mirrors."""
        world, logs = self.world, self.world.directory.logs
        key, signer = key_of(name), Signer(NETWORK, key_of(name))
        known = next(each for each in logs.values() if not each.decides_alone)
        if name == LOG:
            log = partial(Log, signer, known, [key_of("bank").public], told=world.told(name), others=logs)
            if not self.log_lie:
                return SnapshotLog(world, name, log, known)
            return lying_log(self.log_lie, self.begins)(world, name, log, partial(opened, name, known))
        kind: Any = partial(LyingMirror, self.mirror_lie, self.begins) if name == self.liar else Node
        mirror = partial(Mirror, signer, key, {known.identity: known}, world.told(name), others=logs)
        return kind(world, name, mirror, lambda disk: MirrorStore(database=disk))

    # Faults where it matters.

    def hears(self, heard: Heard) -> None:
        """A sale has been promised: something may go wrong as it expires."""
        if heard.step != Step.P3 or heard.sender != "bank" or not self.world.stormy:
            return
        promise = decode(decode_record(Signed, heard.payload).body)
        assert isinstance(promise, AuthorizationB)
        transaction = promise.transaction
        if transaction in self._struck or not self.world.decided_by_council(transaction):
            return
        self._struck.add(transaction)
        if self.chance.random() < STRIKE_CHANCE:
            self._strike_around(transaction.expiration)

    def _strike_around(self, moment: int) -> None:
        seconds = max(0.0, moment + self.chance.uniform(-2.0, 5.0) - self.world.events.now)
        ends = [LOG] if self.chance.random() < 0.4 else self.chance.sample(MIRRORS, self.chance.randint(1, 3))
        if self.chance.random() < 0.5:
            self.world.events.after(seconds, lambda: self._cut(ends))
        else:
            self.world.events.after(seconds, lambda: self._crash(ends))

    def _cut(self, ends: list[str]) -> None:
        self.world.faults["cut around an expiration"] += 1
        cut = {frozenset((name,)) for name in ends}
        self.world.network.cut_off |= cut
        self.world.events.after(
            self.chance.choice([1.0, 4.0, 15.0]), lambda: self.world.network.cut_off.difference_update(cut)
        )

    def _crash(self, ends: list[str]) -> None:
        for name in ends:
            if self.world.nodes[name].up:
                self.world.nodes[name].crash("around an expiration")

    # The end of a run.

    def rest(self) -> None:
        """Let what was begun come to its end, also that of a key's time, and, where the log lies, of all claims."""
        self._calm(LIED_CALMS if self.log_lie else CALMS_MAX)
        waiting = self._undecided()
        if waiting and self.log_lie not in FROZEN_BEFORE:
            self._pass_release(waiting)
        for _ in range(CLAIMS_MAX):
            if self.log_lie and self._undecided():
                self.world.events.jump(CLAIM_SECONDS)
            self._calm(CALMS_MAX)

    def _undecided(self) -> list[Transaction]:
        """What the bank and wallets still wait for the outcome of."""
        waiting: dict[Transaction, None] = {}
        for node in (self.world.nodes["bank"], *self.world.consumers.values()):
            errands = node.store.errands.due(10**12, most=1000)
            questions = [each.message for each in errands if isinstance(each.message, OutcomeOf)]
            waiting |= dict.fromkeys(each.transaction for each in questions)
        return list(waiting)

    def _calm(self, most: int) -> None:
        """Until nobody has anything under way; at least one and at most so many times CALM_SECONDS: whoever has begun
        again in the last second of the storm, and reads a log's chain, may have asked nothing yet."""
        events = self.world.events
        for _ in range(most):
            events.run(events.now + CALM_SECONDS)
            if not any(map(self._busy, self.world.nodes.values())):
                return

    def _busy(self, node: Node) -> bool:
        """Mirrors and the log ask each other for ever, and so do merchants where a log that lies tells no outcome;
        everybody else has an end."""
        endless = node.name in self.parties or (self.log_lie and node.name.startswith("merchant"))
        return not endless and bool(node.store.errands.count() or node.store.jobs())

    def _pass_release(self, waiting: list[Transaction]) -> None:
        """Sleep until the first key can come no more, and have it stormy again while the last one becomes late."""
        world, deadlines = self.world, [each.expiration + RELEASE_SECONDS for each in waiting]
        world.events.jump(max(0.0, min(deadlines) - AROUND_SECONDS - world.events.now))
        world.stormy, world.network.weather = True, world.weather
        for moment in set(deadlines):
            if self.chance.random() < STRIKE_CHANCE:
                self._strike_around(moment)
        world.events.run(max(deadlines) + AROUND_SECONDS)
        world.stormy, world.network.weather = False, Weather()
        world.network.cut_off.clear()
        self._calm(LIED_CALMS if self.log_lie else CALMS_MAX)

    @property
    def parties(self) -> tuple[str, ...]:
        """The log and its mirrors."""
        return (LOG, *MIRRORS)

    @property
    def names(self) -> dict[str, Role]:
        """The mirrors as they stand in the directory."""
        return dict.fromkeys(MIRRORS, Role.MIRROR)
