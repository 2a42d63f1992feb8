"""Who does not run when, in a year: drawn from its seed before it begins. In seconds since the year's beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from anonnet.times import BRAND_NOTICE_SECONDS

DAY = 24 * 3600
WEEK = 7 * DAY
MIRRORS = tuple(f"mirror-{i}" for i in range(4))

BRAND_SECONDS = 30 * DAY + 3601
"""From the opening of the bank's brands to that of the next, as `tests.stage.mint` makes them."""
MINTED_BEFORE = 3 * DAY
"""The bank's owner makes the next brands so long before they open."""
MINUTES = 5 * 60
"""How long a wallet runs that runs once a day."""
OFF_DAYS_MAX = 20
"""A wallet that is off for weeks runs again within the time in which a brand is renewed."""
AWAY_DAYS_MAX = 7
"""A party that is down: shorter than the claim time, so that nothing has to be lost by it."""
ANNOUNCING_AWAY_MAX = MINTED_BEFORE - BRAND_NOTICE_SECONDS - DAY
"""Bank or log, while the next brands are to be announced: they stand in the chain in time all the same."""

Span = tuple[int, int]


class Habit(Enum):
    """How a wallet is run."""

    ALWAYS = "always on"
    MINUTES = "five minutes a day"
    WEEKS = "off for weeks"
    RESTORED = "made anew from its words"


class Cut(Enum):
    """How a sale may be cut off."""

    SILENT = "the merchant's word never reaches the log"
    LEFT = "a party goes while it is under way"


@dataclass
class Calendar:
    """One year. `active`: so many weeks there are sales; then the network is idle."""

    seed: int
    weeks: int
    active: int
    council: bool = False
    absences: dict[str, list[Span]] = field(default_factory=dict)
    restored_at: int = 0

    @classmethod
    def of(cls, seed: int, weeks: int, active: int) -> Calendar:
        """Odd seeds have a log that decides with mirrors."""
        drawn = Random(seed)
        year = cls(seed, weeks, active, council=seed % 2 == 1)
        for name in ("bank", "merchant", "log", *(MIRRORS[:1] if year.council else ())):
            year.absences[name] = list(year._downs(drawn, announcing=name in ("bank", "log")))
        year.absences[Habit.MINUTES.name] = list(year._minutes(drawn))
        year.absences[Habit.WEEKS.name] = list(year._off(drawn))
        year.restored_at = drawn.randrange(2, max(3, active)) * WEEK + drawn.randrange(WEEK)
        return year

    @property
    def end(self) -> int:
        return self.weeks * WEEK

    def _downs(self, drawn: Random, *, announcing: bool) -> Iterator[Span]:
        """A party is down now and then, in some seeds while brands open; when there are no sales any more, it is up."""
        at = drawn.randrange(2 * WEEK)
        while at < self.active * WEEK:
            seconds = drawn.choice((3600, 12 * 3600, DAY, drawn.randrange(DAY, AWAY_DAYS_MAX * DAY)))
            if announcing and any(announced(at + passed) for passed in range(0, seconds, 3600)):
                seconds = min(seconds, ANNOUNCING_AWAY_MAX)
            yield at, at + seconds
            at += seconds + drawn.randrange(WEEK, 4 * WEEK)

    def _minutes(self, drawn: Random) -> Iterator[Span]:
        end = MINUTES
        for day in range(1, 7 * self.weeks):
            begins = day * DAY + drawn.randrange(DAY - MINUTES)
            yield end, begins
            end = begins + MINUTES

    def _off(self, drawn: Random) -> Iterator[Span]:
        at = 2 * DAY
        while at < self.end:
            back = at + drawn.randrange(5 * DAY, OFF_DAYS_MAX * DAY)
            yield at, back
            at = back + drawn.randrange(DAY, 3 * DAY)

    def chances(self, name: str, since: int, until: int) -> int:
        """How often a wallet that runs beside its bank in this span begins what is to be done by then: when it starts,
        and once a day."""
        chances, at = 0, since
        for begins, ends in (*sorted([*self.absences.get(name, ()), *self.absences["bank"]]), (until, until)):
            if min(begins, until) - at >= MINUTES // 2:
                chances += 1 + (min(begins, until) - at) // DAY
            at = max(at, min(ends, until))
        return chances


def announced(at: int) -> bool:
    """Whether brands are announced in this second, or about to be."""
    before = -at % BRAND_SECONDS
    return BRAND_NOTICE_SECONDS <= before <= MINTED_BEFORE
