"""The stores of two merged parties: one database, one transaction, one commit.

Each party has its own tables, but for the errands: a log that decides alone asks nobody, so all of them are the other
party's, its host's. What that asks the log never leaves the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.store.base import Store
from anonnet.store.errands import Errand
from anonnet.store.log import LogStore


class Joint(Store):
    """What the shell of merged parties needs of their stores; each turn is given its own party's."""

    def __init__(self, host: Store, log: LogStore, identity: bytes) -> None:
        """`log` was made in the database of `host`; `identity`: L."""
        super().__init__(host.database)
        self._host = host
        self._log = log
        self._identity = identity
        self._asked_at = -1
        host.news = log.news = self.news

    def seal(self) -> None:
        self._log.seal()

    def commit(self) -> None:
        """That of the log, who has something to do before and behind it."""
        self._log.commit()

    def rollback(self) -> None:
        self._log.rollback()

    def questions(self, now: int) -> list[Errand]:
        """What the host has to ask the log now."""
        self._asked_at = now
        found = self.errands.waiting_for(self._identity, now, most=self.errands.count())
        return [errand for _, hash in found if (errand := self.errands.get(hash))]

    def next_deadline(self) -> int | None:
        """Also when the host next has something to ask the log. What was asked and still stands waits for news."""
        times = self._host.next_deadline(), self.errands.next_due_for(self._identity, self._asked_at)
        return min((time for time in times if time is not None), default=None)

    def jobs(self) -> Sequence[object]:
        return self._host.jobs()

    def close(self) -> None:
        self._log.close()
