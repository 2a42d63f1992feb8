"""Years, over many seeds: money is there after months, nothing stands or grows for ever, what has an end is dropped.

A short one first, whose seed stays; then fresh seeds until YEAR_CPU_SECONDS are used up. With ANONNET_DEEP=1 it is
DEEP_SEEDS whole years on all cores.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.world.test_world import pool
from tests.year.checks import Report, looked_at

Reached = Callable[[str], None]

SHORT = 0, 16, 3
"""Seed, weeks, weeks with sales: until the last sale is forgotten."""
FRESH = (30, 6), (16, 3)
"""Weeks, and weeks with sales: of even seeds, and of odd ones, whose mirrors need four times as long."""
YEAR_CPU_SECONDS = 12
DEEP_SEEDS = 60
DEEP = 60, 35


@pytest.mark.slow
def test_a_short_year() -> None:
    report = looked_at(*SHORT)

    assert not report.complaints, report.rerun_line


@pytest.mark.slow
def test_years_of_fresh_seeds(reached: Reached) -> None:
    reports = list(deep() if os.environ.get("ANONNET_DEEP") == "1" else fresh())

    counts = sum((report.counts for report in reports), Counter())
    weeks = sum(report.days for report in reports) // 7
    reached(f"{len(reports)} seeds, {weeks} weeks; " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    failed = [report.rerun_line for report in reports if report.complaints]
    assert not failed, "\n".join(failed)


def fresh() -> Iterator[Report]:
    """Of each kind one seed at least."""
    first, began = 2 * int(time.time()), time.process_time()
    for seed in count(first):
        if seed > first + 1 and time.process_time() - began > YEAR_CPU_SECONDS:
            return
        yield looked_at(seed, *FRESH[seed % 2])


def deep() -> Iterator[Report]:
    """Whole years, on all cores, with a line for each that fails."""
    with pool() as processes:
        for report in processes.imap_unordered(whole, range(DEEP_SEEDS)):
            yield report
            if report.complaints:
                print(report.rerun_line, flush=True)


def whole(seed: int) -> Report:
    return looked_at(seed, *DEEP)
