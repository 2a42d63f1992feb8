"""Databases of which one write fails, in either way: what was written is lost, or it is kept though nobody was told."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import Any

from anonnet.errors import Fatal
from anonnet.store.database import Database

WRITES = ("insert", "update", "delete", "commit")
DEEP = os.environ.get("ANONNET_DEEP") == "1"
SEED = int(os.environ.get("ANONNET_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)


def breakings(kept: bool, stride: int = 1) -> Iterator[Breaking]:
    """For one write of a story after the other what breaks it, until the story ends before that write.

    In deep all writes, else each stride-th, from one on that differs from run to run: so that in time all are broken. A
    prime number, so that each kind of write comes up. ANONNET_SEED repeats a run, and is printed where a test fails.
    """
    step = 1 if DEEP else stride
    start = random.Random(SEED).randint(1, step)
    print(f"ANONNET_SEED={SEED}: {step} from one write that breaks to the next, the first is write {start}")
    for number in count(start, step):
        breaking = Breaking(number, kept)
        yield breaking
        if not breaking.struck:
            return
        print(f"write {number} has broken")


class Breaking:
    """Makes databases; the write of one number fails, before or after it is done."""

    def __init__(self, number: int, kept: bool) -> None:
        self.number, self.kept, self.count = number, kept, 0
        self.made: list[Database] = []

    @property
    def struck(self) -> bool:
        """True once its write has failed."""
        return self.count >= self.number

    @contextmanager
    def strikes(self) -> Iterator[None]:
        """Go through the block until the write fails, and then end as a process does: what is not committed is lost."""
        try:
            yield
        except Fatal:
            if not self.struck:
                raise
        finally:
            for database in self.made:
                database.close()

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
