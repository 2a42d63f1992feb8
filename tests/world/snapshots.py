"""A log under a quorum whose disk, lock and all, is put back from a snapshot now and then, when it has crashed.

It asks its mirrors before it signs anything, and where they have more its operator repairs it. Whatever they are like
by then, it must not sign a second history: what it hands out, and what convicts it, is looked at as ever. The snapshot
is put back only where a quorum of mirrors has read all that the log has signed: what fewer have nobody may tell it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from anonnet.errors import BadStart, Malformed
from anonnet.parties.repair import Repair
from anonnet.parties.resuming import Resuming
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import NewestOf
from anonnet.store import lock
from anonnet.store.database import MEMORY
from anonnet.store.heads import Head
from anonnet.store.lock import Lock
from anonnet.wire.codec import STEPS
from anonnet.wire.frames import Frames, frame
from anonnet.wire.signed import Signer, received
from tests.stage import NETWORK, key_of
from tests.world.backups import BackedUpLog, opened
from tests.world.disk import Disk

TAKEN, PUT_BACK = 0.01, 0.8
"""Of its batches, and of its crashes."""
FAULT, REPAIRED = "snapshot put back", "snapshot repaired"
AGAIN_SECONDS = 1.0


class SnapshotLog(BackedUpLog):
    """An honest log, on a machine whose operator takes a snapshot for a backup."""

    def __init__(self, world: Any, name: str, make: Any, known: KnownLog) -> None:
        super().__init__(world, name, make, known)
        self._snapshot: list[bytes] = []
        self._restored: list[bytes] = []
        """What its disk holds at the next start, if it was put back."""
        self._asking: Resuming | None = None
        """What it asks before that."""

    def _run(self, batch: list[Any]) -> bool:
        lives = super()._run(batch)
        if lives and self._luck.random() < TAKEN:
            self._snapshot = self._disk.content()
        return lives

    def crash(self, kind: str) -> None:
        super().crash(kind)
        if self._snapshot and self._luck.random() < PUT_BACK and self._is_read():
            self._restored = self._snapshot

    def _is_read(self) -> bool:
        """True if a quorum of mirrors has read all that is signed."""
        heads = self.store.heads.all()
        return self._known.agreed([key for key in self._known.mirrors if all(self._has(key, head) for head in heads)])

    def _has(self, mirror: bytes, head: Head) -> bool:
        store = self.world.nodes[self.world.name_of(mirror)].store
        copy = store.copy(self._known.identity, head.shard)
        return bool(copy and copy.size >= head.size and store.trees.root(copy.tree, head.size) == head.root)

    def _held(self) -> list[bytes]:
        held, restored, self._restored = super()._held(), self._restored, []
        return restored or held

    def start(self) -> None:
        if not self._restored:
            super().start()
            return
        self.faults[FAULT] += 1
        self.world.note(f"{self.name} is put back")
        self._ask_anew()

    def _ask_anew(self) -> None:
        self.reopen()
        self._asking = Resuming(self._known, self.store, self.clock())
        self._ask(self._asking)

    def _ask(self, asking: Resuming) -> None:
        """Start when enough have answered; till then ask those that have not, now and some time later."""
        try:
            if asking.may_go_on():
                self._asking = None
                super().start()
                return
        except BadStart:
            self._restored = self._repaired()
            self._ask_anew()  # who has shown it something may not have had all
            return
        for mirror, questions in asking.open.items():
            for question in questions:
                hears = partial(self._hears, asking, mirror, question)
                asked, receiver = bytes(frame(question, 1)), self.world.name_of(mirror)
                self.world.network.ask(self.name, receiver, asked, hears, lambda: None)
        self.events.after(AGAIN_SECONDS, lambda: self._ask(asking))

    def _hears(self, asking: Resuming, mirror: bytes, question: NewestOf, data: bytes) -> None:
        """One answer; it counts unless the log has started meanwhile."""
        (reply,) = Frames().feed(data)
        try:
            if asking is self._asking:
                asking.take(mirror, question, received(NETWORK, STEPS[reply.step], reply.payload))
        except Malformed as why:
            self.world.note(f"{self.name} takes no {STEPS[reply.step].__name__}: {why}")

    def _repaired(self) -> list[bytes]:
        """What its disk holds when its operator has repaired it, from all that the mirrors have."""
        self.faults[REPAIRED] += 1
        new, beside = Disk(), Disk(self._disk.content()[1:])
        store, locked = opened(self.name, self._known, new), beside(MEMORY, schema=lock.SCHEMA, version=lock.VERSION)
        work = Repair(self._known, Signer(NETWORK, key_of(self.name)), store, Lock(locked))
        for wanted in work.lost():
            assert work.put_back(wanted, self._copies(wanted.shard)), f"{self.name} cannot be repaired"
        work.finish(self.clock(), self.store.time())
        repaired = [new.content()[0], *beside.content()]
        store.close()
        locked.close()
        return repaired

    def _copies(self, shard: int) -> Iterator[list[bytes]]:
        """What each mirror has of a shard."""
        for mirror in self._known.mirrors:
            store = self.world.nodes[self.world.name_of(mirror)].store
            copy, found = store.copy(self._known.identity, shard), list[bytes]()
            while copy and len(found) < copy.size:
                found += [each.entry for each in store.shards.entries(copy.tree, len(found), copy.size)]
            yield found
