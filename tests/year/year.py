"""A simulated year of real parties, from its seed: `.venv/bin/python -m tests.year.year SEED WEEKS ACTIVE`.

Bank, merchant, log, in odd seeds mirrors, and wallets of different habits. There are sales in the first ACTIVE weeks;
then the network is idle, but for tokens that are renewed, until whatever has an end is over.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random

from anonnet.errors import Refused
from anonnet.protocol.brand import Brand
from anonnet.protocol.local import OpenAt
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.store.wallet import ABORTED, DONE, REFUSED
from tests.paper.scenes import GOODS, LEAD, PRICE, Line, nothing
from tests.stage import NOON
from tests.year.calendar import DAY, MIRRORS, WEEK, Calendar, Cut, Habit
from tests.year.stage import YearStage

FUNDED = 10_000
LAST_DAYS = 3
VISIT_DAYS = 3
"""An owner does something about so often, if her wallet runs."""
ENDED = (DONE, ABORTED, REFUSED)
"""Purchases that are over."""
GOODS_BYTES = 1000
LINES_OF_A_SALE = 24

Event = tuple[int, int, Callable[[], None]]


@dataclass
class Owner:
    """Who has a wallet: what she has bought stands here, as a wallet that is made anew does not know it."""

    name: str
    habit: Habit
    states: dict[bytes, str] = field(default_factory=dict)
    """Of each purchase, as her wallet said it last."""

    @property
    def spent(self) -> int:
        return PRICE * list(self.states.values()).count(DONE)


class Year:
    """One year under way."""

    def __init__(self, calendar: Calendar, folder: Path) -> None:
        self.calendar = calendar
        self.drawn = Random(calendar.seed + 1)
        self.stage = YearStage(folder, mirrored_by=MIRRORS if calendar.council else ())
        self.owners = {habit.name: Owner(habit.name, habit) for habit in Habit}
        self.counts: Counter[str] = Counter()
        self._numbers = count()
        self.planned: list[tuple[int, int, int, Callable[[], None]]] = []
        """A heap of (second, rank within it, number, what happens)."""
        self.stage.merchant.command(OpenAt(bank=self.stage.bank_key))
        for name in self.owners:
            self.stage.open_account(name, FUNDED)

    @property
    def passed(self) -> int:
        """Seconds since the beginning."""
        return self.stage.now - NOON

    def run(self) -> Iterator[int]:
        """Let it pass; at the end of each day its number is given. At last all come back, and have some days more."""
        for event in self._events():
            self._plan(*event)
        while self.planned:
            at, _, _, happens = heappop(self.planned)
            self.stage.go_on(NOON + at)
            happens()
            if happens == self._day:
                yield at // DAY
        for name in sorted(self.stage.away):
            self.stage.come_back(name)
        for _ in range(LAST_DAYS):
            self.stage.go_on(self.stage.now + DAY)
            self._day()
        self.stage.go_on(self.stage.now + DAY // 2)
        self._note()

    def chances(self, owner: Owner, brand: Brand) -> int:
        """How often this owner's wallet could begin to renew what it has of a brand."""
        return self.calendar.chances(owner.name, brand.renewed_from - NOON, brand.ends - NOON)

    def _plan(self, at: int, rank: int, happens: Callable[[], None]) -> None:
        heappush(self.planned, (at, rank, next(self._numbers), happens))

    def _events(self) -> Iterator[Event]:
        """(second, rank within it, what happens)."""
        calendar, stage = self.calendar, self.stage
        for day in range(1, 7 * calendar.weeks + 1):
            yield day * DAY, 1, self._day
        for name, spans in calendar.absences.items():
            for leaves, returns in spans:
                yield leaves, 0, lambda name=name: stage.leave(name)  # type: ignore[misc]
                yield min(returns, calendar.end), 0, lambda name=name: stage.come_back(name)  # type: ignore[misc]
        for owner in self.owners.values():
            for at in self._visits(owner):
                yield at, 2, lambda owner=owner: self._visit(owner)  # type: ignore[misc]
        if calendar.restored_at < calendar.active * WEEK:
            for day in range(calendar.restored_at // DAY, 7 * calendar.active):
                yield day * DAY + DAY // 2, 2, self._lose_a_wallet

    def _lose_a_wallet(self) -> None:
        """Once, when no purchase is under way: what one that is under way comes to, a wallet made anew cannot know."""
        self._note()
        states = self.owners[Habit.RESTORED.name].states.values()
        if not self.counts["made anew"] and set(states) <= set(ENDED) and not self.stage.away & {"bank", "log"}:
            self.counts["made anew"] += 1
            self.stage.from_words(Habit.RESTORED.name)

    def _visits(self, owner: Owner) -> Iterator[int]:
        """When an owner does something: while her wallet runs."""
        off = self.calendar.absences.get(owner.name, [])
        if off:
            runs = [(off[i][1], off[i + 1][0]) for i in range(len(off) - 1)]
        else:
            runs = [(day * DAY, (day + 1) * DAY) for day in range(7 * self.calendar.active)]
        for since, until in runs:
            if since < self.calendar.active * WEEK and (
                owner.habit is Habit.WEEKS or not self.drawn.randrange(VISIT_DAYS)
            ):
                yield since + self.drawn.randrange(30, max(60, (until - since) // 2))

    def _day(self) -> None:
        """Once a day a daemon forgets."""
        self.stage.schedule()
        self.stage.forget_all()
        self._note()

    def _visit(self, owner: Owner) -> None:
        """An owner withdraws, or buys something if she has what it costs."""
        if owner.name in self.stage.away:
            return
        if self.stage.tokens(self.stage.wallet(owner.name)).get("free", 0) < 2 * PRICE:
            self._withdraw(owner)
        elif self.drawn.random() < 0.7:
            self._sale(owner)
        else:
            self._withdraw(owner)

    def _withdraw(self, owner: Owner) -> None:
        try:
            self.stage.withdraw(2 * PRICE, self.stage.wallet(owner.name))
            self.counts["withdrawals"] += 1
        except Refused as refused:
            self.counts[f"withdrawal refused: {refused}"] += 1

    def _sale(self, owner: Owner) -> None:
        stage = self.stage
        if "merchant" in stage.away:
            return
        stage.sell(goods=GOODS[:GOODS_BYTES])
        cut = self.drawn.choice((None, None, *Cut))
        left = self.drawn.choice(("bank", "merchant", "log", owner.name))
        if cut is Cut.SILENT:
            stage.lost = silent
        elif cut is Cut.LEFT:
            stage.lost = Gone(left, self.drawn.randrange(LINES_OF_A_SALE))
        owner.states[stage.buy(stage.wallet(owner.name))] = ""
        stage.watch(2)
        if cut is Cut.LEFT:
            stage.leave(left)
            stage.lost = nothing
        stage.watch(8)
        stage.watch(LEAD + 10, step=20)
        stage.lost = nothing
        if cut is Cut.LEFT:
            back = self.passed + self.drawn.randrange(3600, 2 * DAY)
            self.calendar.absences.setdefault(left, []).append((self.passed, back))
            self._plan(back, 0, lambda: stage.come_back(left))
        self.counts[cut.value if cut else "sales in peace"] += 1

    def _note(self) -> None:
        """How the owners' purchases stand."""
        for owner in self.owners.values():
            store = self.stage.wallet(owner.name).store
            for id in owner.states:
                if bought := store.purchase(id):
                    owner.states[id] = bought.state


def silent(line: Line) -> bool:
    """The merchant's commitment is lost."""
    return line.kind in (AuthorizationM, Pledge)


@dataclass
class Gone:
    """Nothing reaches a party any more, or leaves it, once so many lines have been said."""

    name: str
    lines: int

    def __call__(self, line: Line) -> bool:
        self.lines -= 1
        return self.lines < 0 and self.name in (line.sender, line.receiver)


@contextmanager
def year_of(seed: int, weeks: int, active: int) -> Iterator[Year]:
    """A year of this seed, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="anonnet-year-") as folder:
        yield Year(Calendar.of(seed, weeks, active), Path(folder))


def main() -> None:
    """Run one seed, and say what came of it."""
    from tests.year.checks import looked_at

    report = looked_at(*map(int, sys.argv[1:]))
    for complaint in report.complaints:
        print(f"WRONG: {complaint}")
    print(f"{report.days} days: " + ", ".join(f"{what} {count}" for what, count in sorted(report.counts.items())))


if __name__ == "__main__":
    main()
