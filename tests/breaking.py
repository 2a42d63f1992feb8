"""Databases of which one write fails, in either way: what was written is lost, or it is kept though nobody was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from anonnet.errors import Fatal
from anonnet.store.database import Database

WRITES = ("insert", "update", "delete", "commit")


class Breaking:
    """Makes databases; the write of one number fails, before or after it is done."""

    def __init__(self, number: int, kept: bool) -> None:
        self.number, self.kept, self.count = number, kept, 0
        self.made: list[Database] = []

    def __call__(self, *args: Any, **more: Any) -> Database:
        written = self.written

        class Broken(Database):
            def run(self, sql: str, *values: Any) -> int:
                with written() if sql.startswith(WRITES) else nullcontext():
                    done = super().run(sql, *values)
                return done

            def run_many(self, sql: str, rows: Any) -> None:
                with written():
                    super().run_many(sql, rows)

        self.made.append(Broken(*args, **more))
        return self.made[-1]

    @contextmanager
    def written(self) -> Iterator[None]:
        self.count += 1
        strikes = self.count == self.number
        if strikes and not self.kept:
            raise Fatal("storage failed, and what was written is lost")
        yield
        if strikes:
            raise Fatal("storage failed, and what was written is kept")
