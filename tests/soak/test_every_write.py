"""SIGKILL at every numbered write of a sale, before it and after it: the sale ends, and the money adds up.

One network lives through all of it. For each number, the victim is started under `killable.py`, a sale is made, and
when the victim has died it is started again as usual. The numbers go up until a whole sale passes below them. In CI a
sample of them, spread over all, as far as a budget of time allows; what was reached is printed.
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

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.network import PROGRAM
from anonnet_daemons.shopping import ABORTED, DONE

from anonnet.errors import BadStart

from .checks import check_all, check_money, settled
from .shop import DEEP, PRICES, SEED, Shop, shop_in

pytestmark = [pytest.mark.real, pytest.mark.slow]

KILLABLE = Path(__file__).with_name("killable.py")
VICTIMS = (Kind.CONSUMER, Kind.BANK, Kind.MERCHANT, Kind.LOG)
WAYS = ("before", "after")
SALE, ABORT = "sale", "abort"
LEADS = {SALE: 30, ABORT: 1}
"""A merchant does not take a promise that leaves him so short a lead: that sale aborts, and tokens are exchanged."""
LANES = [(course, (victim,)) for course in LEADS for victim in VICTIMS] if DEEP else [(c, VICTIMS) for c in LEADS]
"""Each on a network of its own, beside each other, since sales that abort take their time."""
BUDGET_SECONDS = 25.0
"""In CI, from a lane's first kill on."""
STRIDE = 7
"""In CI, from one number to the next; prime to what a turn writes, so that each kind of write comes up."""
SECONDS = 7200 if DEEP else 120
PAID_IN = 8000


@dataclass
class Reached:
    """How far the numbers of one victim have gone."""

    course: str
    victim: Kind
    number: int
    kills: int = 0
    whole: bool = False
    """A whole sale has passed below the next number."""

    @property
    def words(self) -> str:
        extent = "all, and there are" if self.whole else "up to"
        return f"{self.course}, {self.victim}: {self.kills} kills, at writes {extent} {self.number}"


async def sale_with_a_kill(shop: Shop, victim: Kind, number: int, way: str, lead: int) -> bool:
    """Withdraw and buy while the victim has not more than this number of writes to live. True if it came to that."""
    daemon = shop.local[victim]
    await daemon.kill()
    daemon.program = (sys.executable, "-P", str(KILLABLE), str(number), way)
    await daemon.start()
    daemon.program = PROGRAM
    killed = trio.Event()

    async def revive() -> None:
        assert daemon.process is not None
        code = await daemon.process.wait()
        assert code == -signal.SIGKILL, f"the {victim} has ended with {code}: {daemon.last_words()}"
        killed.set()
        await daemon.start()

    with suppress(BadStart):  # it may have had that little to live
        await daemon.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(revive)
        await shop.withdraw(PRICES["song"])
        await shop.begin(shop.wish("song", lead))
        await settled(shop)
        nursery.cancel_scope.cancel()
    if not killed.is_set():  # it could still come to that, later
        await daemon.kill()
        await daemon.start()
    await check_money(shop)
    return killed.is_set()


async def run_lane(folder: Path, course: str, victims: Sequence[Kind], chance: random.Random) -> list[Reached]:
    """Kill the victims in turn, at higher and higher numbers."""
    reached = [Reached(course, victim, 1 if DEEP else chance.randint(1, STRIDE)) for victim in victims]
    async with shop_in(folder, seconds=SECONDS) as shop:
        await shop.pay_in(PAID_IN)
        await shop.withdraw(2 * PRICES["song"])
        await settled(shop)
        end = math.inf if DEEP else trio.current_time() + BUDGET_SECONDS
        for each in cycle(reached):
            if all(each.whole for each in reached) or trio.current_time() > end:
                break
            if not each.whole:
                await advance(shop, each, LEADS[course], chance)
        counts = await check_all(shop)
    assert counts[DONE if course == SALE else ABORTED] > 0
    return reached


async def test_a_kill_at_any_write_loses_nothing(tmp_path: Path, reached: Callable[[str], None]) -> None:
    reached(f"ANONNET_SEED={SEED}; {'every write' if DEEP else f'each {STRIDE}th write'}, before or after it")
    all: list[Reached] = []

    async def run(number: int, course: str, victims: Sequence[Kind]) -> None:
        all.extend(await run_lane(tmp_path / str(number), course, victims, random.Random(SEED + number)))

    async with trio.open_nursery() as nursery:
        for number, (course, victims) in enumerate(LANES):
            nursery.start_soon(run, number, course, victims)

    for each in all:
        reached(each.words)
    assert sum(each.kills for each in all) > len(LANES)


async def advance(shop: Shop, reached: Reached, lead: int, chance: random.Random) -> None:
    """Kill one victim at its next number: in deep both ways, else in one of them."""
    alive = 0
    ways = WAYS if DEEP else (chance.choice(WAYS),)
    for way in ways:
        if await sale_with_a_kill(shop, reached.victim, reached.number, way, lead):
            reached.kills += 1
        else:
            alive += 1
    if alive == len(ways):
        reached.whole = True
    else:
        reached.number += 1 if DEEP else STRIDE
