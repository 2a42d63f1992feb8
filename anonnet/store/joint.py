"""The stores of two merged parties: one database, one transaction, one commit.

Each party has its own tables, but for two. Alerts are about logs, whoever of the two was told. Of errands a log that
decides alone has none but to pass alerts on, as its host does too: so the host takes all answers in. What one of them
asks the other never leaves the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.store.base import Store
from anonnet.store.errands import Errand
from anonnet.store.log import LogStore

NEVER = -1
"""Before any time."""


class Joint(Store):
    """What the shell of merged parties needs of their stores; each turn is given its own party's."""

    def __init__(self, host: Store, log: LogStore, identities: tuple[bytes, bytes]) -> None:
        """`log` was made in the database of `host`; `identities`: the host's, and L."""
        super().__init__(host.database)
        self._host = host
        self._log = log
        self._identities = identities
        self._log_identity = identities[1]
        self._asked_at = NEVER
        host.news = log.news = self.news
        host.errands = log.errands = self.errands

    def seal(self) -> None:
        self._log.seal()

    def commit(self) -> None:
        """That of the log, who has something to do before and behind it."""
        self._log.commit()

    def rollback(self) -> None:
        self._log.rollback()

    def advance(self, now: int) -> None:
        """It is this late: what is due by now stays due."""
        self._log.advance(now)

    def questions(self, now: int, *, most: int) -> list[Errand]:
        """What one of them has to ask the other now, or had to before the clock was set back: first whether there are
        new entries, and then so much else at most."""
        at = max(now, self._log.time())
        follows = self.errands.follows(self._log_identity, at)
        enough = most + len(follows)
        found = [each for one in self._identities for each in self.errands.waiting_for(one, at, most=enough)]
        others = [hash for _, hash in sorted(found) if hash not in follows][:most]
        self._asked_at = NEVER if len(others) == most else at  # there may be more: it is due still
        return [errand for hash in (*follows, *others) if (errand := self.errands.get(hash))]

    def next_deadline(self) -> int | None:
        """Also when they next have something to ask each other. What was asked and still stands waits for news."""
        times = [self._host.next_deadline()]
        times += [self.errands.next_due_for(one, self._asked_at) for one in self._identities]
        return min((time for time in times if time is not None), default=None)

    def jobs(self) -> Sequence[object]:
        return self._host.jobs()

    def close(self) -> None:
        self._log.close()
