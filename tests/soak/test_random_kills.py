"""SIGKILL of each daemon, at random moments, while purchases run all the time: nothing stuck, missing or taken back.

40 kills, or as many as ANONNET_KILLS says; 500 with ANONNET_DEEP=1. ANONNET_SEED repeats the choice of victims and
moments (what the processes are doing then is the machine's own).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from .checks import check_all, check_purchases
from .load import Load
from .shop import DEEP, LOOK_SECONDS, SEED, Shop, shop_in

pytestmark = [pytest.mark.real, pytest.mark.slow]

KILLS = int(os.environ.get("ANONNET_KILLS", "500" if DEEP else "40"))
PAUSE_SECONDS = 1.6
"""Between two kills there is up to this: about as long as a daemon takes to start."""
SECONDS = 120 + 6 * KILLS


async def kill_at_random(load: Load, chance: random.Random) -> Counter[str]:
    """Kill and start again, one after the other, without waiting for the last one to be ready."""
    killed: Counter[str] = Counter()
    while killed.total() < KILLS:
        while load.ended < killed.total():  # on a slow machine kills wait for sales, so that these keep up
            await trio.sleep(LOOK_SECONDS)
        victims = list(load.shop.local.daemons)
        chance.shuffle(victims)
        for victim in victims[: KILLS - killed.total()]:
            await trio.sleep(chance.uniform(0, PAUSE_SECONDS))
            while not load.running:  # a kill counts only during purchases
                await trio.sleep(LOOK_SECONDS)
            daemon = load.shop.local[victim]
            assert daemon.running, f"the {victim} has ended by itself: {daemon.last_words()}"
            await daemon.kill()
            await daemon.start()
            killed[victim] += 1
    return killed


async def kill_all_at_once(shop: Shop) -> None:
    """The machine fails: all are dead before the first comes back."""
    for daemon in shop.local.daemons.values():
        await daemon.kill()
    await shop.local.start()


async def test_kills_at_random_moments_lose_nothing(tmp_path: Path, reached: Callable[[str], None]) -> None:
    reached(f"ANONNET_SEED={SEED} ANONNET_KILLS={KILLS}")
    chance = random.Random(SEED)
    began = trio.current_time()
    async with shop_in(tmp_path, seconds=SECONDS) as shop:
        load = Load(shop, random.Random(chance.random()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run)
            killed = await kill_at_random(load, chance)
            load.enough = True
            fire = trio.current_time() - began
        for daemon in shop.local.daemons.values():
            await daemon.ready()
        counts = await check_all(shop)
        await kill_all_at_once(shop)
        assert await check_purchases(shop) == counts

    minutes = (trio.current_time() - began) / 60
    deaths = ", ".join(f"{kind} {count}" for kind, count in sorted(killed.items()))
    ends = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    reached(f"{killed.total()} kills: {deaths}; {counts.total()} purchases: {ends}")
    reached(f"{minutes:.1f} minutes, of which {fire / 60:.1f} under fire")
    assert counts["done"]
    assert counts["aborted"]
