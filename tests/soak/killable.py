"""Runs the `anonnet` command with a fault at its Nth write: SIGKILL, or an error of the disk. A program for tests.

    killable.py N before|after|lost|kept NOUN run --data FOLDER

A write is a statement that changes rows, a COMMIT of changes, an fsync, or the renaming of a file. `before` and `after`
are kills: a write that was not made, and one that was although nobody was told. `lost` and `kept` are the same with an
error in place of the kill, at this and at every later write.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from anonnet.errors import Fatal
from anonnet.store import database

T = TypeVar("T")

KILLS, BEFORE = ("before", "after"), ("before", "lost")
IO_ERROR = OSError(errno.EIO, os.strerror(errno.EIO))
STORAGE_ERROR = Fatal("storage failed: disk I/O error")
"""What the database makes of SQLite's own."""
WRITES = ("insert", "update", "delete")


class Numbered:
    """Numbers all writes of this process; one of them strikes."""

    def __init__(self, last: int, way: str) -> None:
        self._last, self._way = last, way
        self._numbers = itertools.count(1)

    def __call__(self, write: Callable[[], T], error: Exception) -> T:
        number = next(self._numbers)
        if number < self._last or (number > self._last and self._way in KILLS):
            return write()
        if self._way in BEFORE:
            self._strike(error)
        done = write()
        self._strike(error)
        return done

    def _strike(self, error: Exception) -> None:
        if self._way in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        raise error


def install(numbered: Numbered) -> None:
    """Have every store made from now on, and every file, written under numbers."""
    fsync, replace = os.fsync, os.replace

    class Killable(database.Database):
        """A database whose every write has a number."""

        def run(self, sql: str, *values: Any) -> int:
            run = super().run
            return numbered(lambda: run(sql, *values), STORAGE_ERROR) if sql.startswith(WRITES) else run(sql, *values)

        def run_many(self, sql: str, rows: Any) -> None:
            run_many = super().run_many
            numbered(lambda: run_many(sql, rows), STORAGE_ERROR)

        def begin(self) -> None:
            super().begin()
            self._before = self.changes

        def commit(self) -> None:
            commit = super().commit
            numbered(commit, STORAGE_ERROR) if self.changes != self._before else commit()

    database.Database = Killable  # type: ignore[misc]
    os.fsync = lambda file: numbered(lambda: fsync(file), IO_ERROR)
    os.replace = lambda old, new, **more: numbered(lambda: replace(old, new, **more), IO_ERROR)


if __name__ == "__main__":
    install(Numbered(int(sys.argv[1]), sys.argv[2]))
    from anonnet_daemons.cli.main import main  # only now: it imports stores

    main(sys.argv[3:], prog_name="anonnet")
