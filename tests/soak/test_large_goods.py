"""Goods far larger than memory: a kill on either side costs a few chunks of them, and no process grows with them.

128 MiB; 1 GiB with ANONNET_DEEP=1.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from anonnet_daemons.benches.measuring import cpu_seconds, load
from anonnet_daemons.config import Kind

from anonnet.crypto.sealing import chunk_count
from anonnet.store.wallet import DONE

from .checks import check_all, peak_memory
from .shop import DEEP, LOOK_SECONDS, PRICES, Shop, shop_in

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NOT TESTED: memory; it needs /proc"),
]

MIB = 2**20
SIZE = 1024 * MIB if DEEP else 128 * MIB
CHUNKS = chunk_count(SIZE)
SERVED_MAX = 1.2 * CHUNKS
"""What is lost by two kills is far less than the goods: who began anew would need 1.3 times as many at least."""
MEMORY_MAX = 100 * MIB
SECONDS = 900 if DEEP else 240
LEAD = 30


class Costs:
    """What the sale has cost, through the lives of all processes."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.memory: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()
        """Milliseconds."""
        self.before = 0
        """Turns of the merchants that were killed: most of them are chunks."""

    async def served(self) -> int:
        """How many requests all merchants have answered."""
        async with self.shop.local.owner(Kind.MERCHANT) as owner:
            return self.before + (await owner.health()).turns

    async def served_at_least(self, count: int) -> None:
        """Wait until so many have been answered."""
        while await self.served() < count:
            await trio.sleep(LOOK_SECONDS)

    def weigh(self, name: str) -> None:
        """Note what a process has taken in its life, which is about to end."""
        self.memory[name] = max(self.memory[name], peak_memory(self.shop.local[name].pid))
        self.cpu[name] += round(1000 * cpu_seconds(self.shop.local)[name])

    async def kill(self, victim: Kind) -> None:
        """Kill one and start it again."""
        self.weigh(victim)
        served = await self.served()
        await self.shop.local[victim].kill()
        if victim is Kind.MERCHANT:
            self.before = served
        await self.shop.local[victim].start()
        await self.shop.local[victim].ready()


async def test_large_goods_survive_kills_in_little_memory(tmp_path: Path, reached: Callable[[str], None]) -> None:
    async with shop_in(tmp_path, seconds=SECONDS) as shop:
        began = trio.current_time()
        await shop.put_on_sale("film", SIZE)
        await shop.pay_in(PRICES["film"])
        await shop.withdraw(PRICES["film"])
        await shop.withdrawn()
        sealed, costs = trio.current_time(), Costs(shop)

        purchase = await shop.begin(shop.wish("film", LEAD))
        assert purchase is not None
        await costs.served_at_least(CHUNKS // 3)
        await costs.kill(Kind.CONSUMER)
        await costs.served_at_least(CHUNKS * 2 // 3)
        await costs.kill(Kind.MERCHANT)
        assert costs.before < CHUNKS, "all of it had been served before the second kill"
        ended = await shop.ended(purchase)
        took = trio.current_time() - sealed

        served = await costs.served()
        for name in shop.local.daemons:
            costs.weigh(name)
        memory = {name: size // MIB for name, size in costs.memory.items()}
        cpu = {name: time * MIB // SIZE for name, time in costs.cpu.items()}
        rate = SIZE / MIB / took
        reached(f"{SIZE // MIB} MiB on sale after {sealed - began:.0f} s, bought in {took:.0f} s: {rate:.0f} MiB/s")
        reached(f"{served / CHUNKS:.3f} requests for each chunk; MiB of memory at most: {memory}")
        reached(f"CPU ms for each MiB: {cpu}; load average {load()}")
        assert ended.state == DONE
        assert served < SERVED_MAX
        assert max(costs.memory.values()) < MEMORY_MAX, memory
        await check_all(shop)
    shutil.rmtree(tmp_path / "n")  # three times the goods, which pytest would keep
