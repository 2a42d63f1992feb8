"""A log in the world that must not start on a backup, at whatever moment after an answer it has crashed.

From an older log.db it would sign a second history of what it has answered for. The lock beside log.db is what tells
it, so the lock has to move before any answer. Whether it would start is tried out beside the log that runs. A crash
after the commit may come before the lock has moved: then nothing was said, and the log goes on from log.db.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from anonnet.errors import BadStart
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.sealed import Submission
from anonnet.store.log import LogStore
from tests.stage import log_store
from tests.world.disk import Disk
from tests.world.node import Node, Waiting

SHARE = 0.2
"""Of the batches in which it grows, and of what is to be recorded."""
CRASH_SHARE = 0.05
"""Of the batches that bring something to be recorded, where anybody crashes in one: besides the crashes of all."""
UNMOVED = "crash before the lock moved"


def opened(name: str, known: KnownLog, disk: Disk) -> LogStore:
    """The store of a log with a disk of its own."""
    return log_store(name, known=known, database=disk)


class BackedUpLog(Node):
    """An honest log. What is to be recorded sometimes comes to it twice at once, in one batch."""

    def __init__(self, world: Any, name: str, make: Any, known: KnownLog) -> None:
        self._known, self._unmoved = known, b""
        self._luck = random.Random(f"{name} of {world.seed}")  # its own, so that all else of a seed stays as it was
        super().__init__(world, name, make, partial(opened, name, known))

    def enqueue(self, waiting: Waiting) -> None:
        super().enqueue(waiting)
        if _is_to_be_recorded(waiting) and self._luck.random() < SHARE:
            super().enqueue(Waiting(waiting.asked, lambda outcome: None))

    def _run(self, batch: list[Any]) -> bool:
        (backup, self._lock), sizes = self._disk.content(), dict(self.store.sizes())
        lives = super()._run(batch)
        grown = any(size > sizes.get(shard, 0) for shard, size in self.store.sizes())
        if grown and self._luck.random() < SHARE:
            self._put_back(backup)
        return lives

    def _crash_in(self, batch: list[Waiting]) -> str | None:
        crash, stormy = super()._crash_in(batch), self.world.stormy and self.world.weather.crash
        if stormy and any(map(_is_to_be_recorded, batch)) and self._luck.random() < CRASH_SHARE:
            return "after commit"
        return crash

    def crash(self, kind: str) -> None:
        super().crash(kind)
        if kind == "after commit" and self._lock != self._disk.content()[1] and self._luck.random() < 0.5:
            self.faults[UNMOVED] += 1
            self._unmoved = self._lock

    def _held(self) -> list[bytes]:
        log, lock = super()._held()
        unmoved, self._unmoved = self._unmoved, b""
        return [log, unmoved or lock]

    def _put_back(self, backup: bytes) -> None:
        """What a start on the older log.db, beside the newest lock.db, comes to."""
        self.faults["backup put back"] += 1
        try:
            opened(self.name, self._known, Disk([backup, self._disk.content()[1]])).close()
        except BadStart:
            return
        raise AssertionError(f"{self.name} would start on a log.db older than what it has said")


def _is_to_be_recorded(waiting: Waiting) -> bool:
    return isinstance(waiting.asked.body, AuthorizationM | Pledge | Submission)
