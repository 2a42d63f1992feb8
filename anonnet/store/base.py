"""What every party's store has: a database, errands, and the turns' savepoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anonnet.store.database import Database
from anonnet.store.errands import Errands


class Store:
    """A party's memory. Handlers read and write it inside a turn and never keep it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.errands = Errands(db)
        self.news: set[bytes] = set()
        """What the batch has changed that somebody may wait for; it may name too much, never too little."""
        self.declared: frozenset[bytes] | None = None
        """The keys that the running handler declared; None where it declared none in advance."""

    def touch(self, key: bytes) -> None:
        """Called with the key of every row that turns may contend for: the handler must have declared it."""
        assert self.declared is None or key in self.declared, "a handler touches a key that it did not declare"

    @property
    def database(self) -> Database:
        """Where it is kept, for a store that is merged with it."""
        return self._db

    def begin(self) -> None:
        """Begin the transaction of a batch of turns."""
        self._db.begin()

    def seal(self) -> None:
        """Finish what the open batch has begun, so that its own later turns can read it."""

    def commit(self) -> None:
        """Make the batch durable; only then may its answers be said. Raises Fatal."""
        self._db.commit()

    def rollback(self) -> None:
        """Drop the whole batch."""
        self._db.rollback()

    @property
    def changes(self) -> int:
        """A number that has grown whenever something was written: who waits for news then looks again."""
        return self._db.changes

    def begin_turn(self) -> None:
        """Begin one turn, which may touch no key before it has declared some."""
        self.declared = frozenset()
        self._db.savepoint()

    def declare(self, keys: Iterable[bytes] | None) -> None:
        """The running turn may touch these keys, or any."""
        self.declared = None if keys is None else frozenset(keys)

    def end_turn(self) -> None:
        """Keep what the turn wrote. Raises Fatal where it may not stand."""
        self.declared = None
        self._db.release()

    def take_back(self) -> None:
        """Undo what the turn wrote."""
        self.declared = None
        self._db.take_back()

    def next_deadline(self) -> int | None:
        """When the party next has something to do by itself, or None."""
        return None

    def jobs(self) -> Sequence[object]:
        """Work outside turns that this party has begun and not ended, found again after a restart."""
        return ()

    def close(self) -> None:
        self._db.close()
