"""What the parties of the world keep their stores on: it outlives a crash, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anonnet.store.database import Database


class Disk:
    """Makes the databases of one store, in memory, from what files held, if anything; and tells what they hold now."""

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
        """Of each database, in the order in which the store has opened them: a log's are log.db and lock.db."""
        return [each.content() for each in self._made]  # type: ignore[attr-defined]


Opens = Callable[[Disk], Any]
"""Opens a party's store on a disk."""
