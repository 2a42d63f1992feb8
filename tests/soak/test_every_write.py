"""SIGKILL at every numbered write of a sale, before it and after it: the sale ends, and the money adds up.

One network lives through all of it. For each number, the victim is started under `killable.py`, a sale is made, and
when the victim has died it is started again as usual. The numbers go up until a whole sale passes below them. In CI a
sample of them, spread over all, as far as a budget of time allows; what was reached is printed.

Under a quorum the log and the mirrors are looked at as well: when one is dead, for what the others have of its word;
at the end, for one tree that keeps every rule.
"""

from __future__ import annotations

import math
import random
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.network import PROGRAM

from anonnet.errors import BadStart
from anonnet.store.wallet import ABORTED, DONE

from .checks import check_all, check_money, settled
from .council import MIRRORS, QUORUM, at_rest, check_remembered, check_stopped, holders, leave_one_out
from .shop import DEEP, PRICES, SEED, Shop, shop_in

pytestmark = [pytest.mark.real, pytest.mark.slow]

KILLABLE = Path(__file__).with_name("killable.py")
WAYS = ("before", "after")
SALE, ABORT = "sale", "abort"
LEADS = {SALE: 30, ABORT: 1}
"""A merchant does not take a promise that leaves him so short a lead: that sale aborts, and tokens are exchanged."""
ENDS = {SALE: DONE, ABORT: ABORTED}
STRIDE = 7
"""In CI, from one number to the next; prime to what a turn writes, so that each kind of write comes up."""
SECONDS = 7200 if DEEP else 120
PAID_IN = 8000

Lane = Sequence[tuple[str, str]]
"""Courses of a sale, each with a victim, that are gone through in turn on a network of their own."""


@dataclass(frozen=True)
class Trust:
    """How a log decides, and who is killed there."""

    name: str
    victims: tuple[str, ...]
    budget_seconds: float
    """In CI, from a lane's first kill on."""
    council: bool = False
    merged: Kind | None = None
    """Whose daemon the log's is too."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """In deep each victim has a network of its own, beside the others, since sales that abort take their time."""
        lanes = [[(course, victim) for victim in self.victims] for course in LEADS]
        return [[each] for lane in lanes for each in lane] if DEEP else lanes

    @property
    def options(self) -> dict[str, Any]:
        """How a shop is to be opened."""
        council: dict[str, Any] = {"mirrors": MIRRORS, "quorum": QUORUM, "prepare": leave_one_out}
        return council if self.council else {"merged": self.merged}


ALONE = Trust("alone", (Kind.CONSUMER, Kind.BANK, Kind.MERCHANT, Kind.LOG), 25.0)
MERGED = Trust("merged", (Kind.LOG,), 8.0, merged=Kind.BANK)
WITH_MIRRORS = Trust("3-of-4", (Kind.LOG, f"{Kind.MIRROR}-1", Kind.MERCHANT), 12.0, council=True)


@dataclass
class Reached:
    """How far the numbers of one victim have gone."""

    course: str
    victim: str
    number: int
    kills: int = 0
    whole: bool = False
    """A whole sale has passed below the next number."""

    @property
    def words(self) -> str:
        extent = "all, and there are" if self.whole else "up to"
        return f"{self.course}, {self.victim}: {self.kills} kills, at writes {extent} {self.number}"


async def sale_with_a_kill(shop: Shop, reached: Reached, way: str) -> bool:
    """Withdraw and buy while the victim has not more than this number of writes to live. True if it came to that."""
    victim, daemon, council = reached.victim, shop.local[reached.victim], holders(shop)
    await daemon.kill()
    daemon.program = (sys.executable, "-P", str(KILLABLE), str(reached.number), way)
    await daemon.start()
    daemon.program = PROGRAM
    killed = trio.Event()

    async def revive() -> None:
        assert daemon.process is not None
        code = await daemon.process.wait()
        assert code == -signal.SIGKILL, f"the {victim} has ended with {code}: {daemon.last_words()}"
        if len(council) > 1 and victim in council:
            check_remembered(shop, victim)
        killed.set()
        await daemon.start()

    with suppress(BadStart):  # it may have had that little to live
        await daemon.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(revive)
        await shop.withdraw(PRICES["song"])
        await shop.begin(shop.wish("song", LEADS[reached.course]))
        await settled(shop)
        if len(council) > 1:
            await shop.seen(lambda: at_rest(shop))
        nursery.cancel_scope.cancel()
    if not killed.is_set():  # it could still come to that, later
        await daemon.kill()
        await daemon.start()
    await check_money(shop)
    return killed.is_set()


async def run_lane(folder: Path, trust: Trust, lane: Lane, chance: random.Random) -> list[str]:
    """Kill the victims in turn, at higher and higher numbers; what was reached, in words."""
    reached = [Reached(course, victim, 1 if DEEP else chance.randint(1, STRIDE)) for course, victim in lane]
    async with shop_in(folder, seconds=SECONDS, **trust.options) as shop:
        await shop.pay_in(PAID_IN)
        await shop.withdraw(2 * PRICES["song"])
        await settled(shop)
        end = math.inf if DEEP else trio.current_time() + trust.budget_seconds
        for each in cycle(reached):
            if all(each.whole for each in reached) or trio.current_time() > end:
                break
            if not each.whole:
                await advance(shop, each, chance)
        counts = await check_all(shop)
        checked = [await check_stopped(shop)] if trust.council else []
    assert all(counts[ENDS[each.course]] for each in reached)
    assert any(each.kills for each in reached)
    return [*(each.words for each in reached), *checked]


@pytest.mark.parametrize("trust", [ALONE, MERGED, WITH_MIRRORS], ids=lambda trust: trust.name)
async def test_a_kill_at_any_write_loses_nothing(tmp_path: Path, trust: Trust, reached: Callable[[str], None]) -> None:
    reached(f"ANONNET_SEED={SEED}; {'every write' if DEEP else f'each {STRIDE}th write'}, before or after it")
    lines: list[str] = []

    async def run(number: int, lane: Lane) -> None:
        lines.extend(await run_lane(tmp_path / str(number), trust, lane, random.Random(SEED + number)))

    async with trio.open_nursery() as nursery:
        for number, lane in enumerate(trust.lanes):
            nursery.start_soon(run, number, lane)

    for each in lines:
        reached(each)


async def advance(shop: Shop, reached: Reached, chance: random.Random) -> None:
    """Kill one victim at its next number: in deep both ways, else in one of them."""
    alive = 0
    ways = WAYS if DEEP else (chance.choice(WAYS),)
    for way in ways:
        if await sale_with_a_kill(shop, reached, way):
            reached.kills += 1
        else:
            alive += 1
    if alive == len(ways):
        reached.whole = True
    else:
        reached.number += 1 if DEEP else STRIDE
