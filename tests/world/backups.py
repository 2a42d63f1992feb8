"""A log in the world that must not start on a backup, at whatever moment after an answer it has crashed.

From an older log.db it would sign a second history of what it has answered for. The lock beside log.db is what tells
it, so the lock has to move before any answer. Whether it would start is tried out beside the log that runs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from anonnet.errors import BadStart
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.sealed import Submission
from anonnet.store.database import Database
from tests.stage import log_store
from tests.world.node import Node, Waiting

SHARE = 0.2
"""Of the batches in which it grows, and of what is to be recorded."""


class Disk:
    """Makes the two databases of a log, in memory, from what files held, if anything; and tells what they hold now."""

    def __init__(self, held: Sequence[bytes] = ()) -> None:
        self._held = list(held)
        self._made: list[Database] = []

    def __call__(self, *args: Any, **more: Any) -> Database:
        held = self._held.pop(0) if self._held else b""

        class Copied(Database):
            def _prepare(self, *args: Any) -> None:
                if held:
                    self._db.deserialize(held)
                super()._prepare(*args)

            def content(self) -> bytes:
                return self._db.serialize()

        self._made.append(Copied(*args, **more))
        return self._made[-1]

    def content(self) -> list[bytes]:
        """Of log.db and lock.db."""
        return [each.content() for each in self._made]  # type: ignore[attr-defined]


class BackedUpLog(Node):
    """An honest log. What is to be recorded sometimes comes to it twice at once, in one batch."""

    def __init__(self, world: Any, name: str, make: Any, known: KnownLog) -> None:
        self._known, self._disk = known, Disk()
        self._luck = random.Random(f"{name} of {world.seed}")  # its own, so that all else of a seed stays as it was
        super().__init__(world, name, make, log_store(name, known=known, database=self._disk))

    def enqueue(self, waiting: Waiting) -> None:
        super().enqueue(waiting)
        if isinstance(waiting.asked.body, AuthorizationM | Pledge | Submission) and self._luck.random() < SHARE:
            super().enqueue(Waiting(waiting.asked, lambda outcome: None))

    def _run(self, batch: list[Any]) -> bool:
        backup, sizes = self._disk.content()[0], dict(self.store.sizes())
        lives = super()._run(batch)
        grown = any(size > sizes.get(shard, 0) for shard, size in self.store.sizes())
        if grown and self._luck.random() < SHARE:
            self._put_back(backup)
        return lives

    def _put_back(self, backup: bytes) -> None:
        """What a start on the older log.db, beside the newest lock.db, comes to."""
        self.faults["backup put back"] += 1
        try:
            log_store(self.name, known=self._known, database=Disk([backup, self._disk.content()[1]])).close()
        except BadStart:
            return
        raise AssertionError(f"{self.name} would start on a log.db older than what it has said")
